/* recovery.pml: the transaction of one task, and who is the task: owner mutex, spare, cold start, the
 * supervisor's death and its successor. Crashes between any two steps.
 *
 * | here            | stands for                                                             |
 * | --------------- | ---------------------------------------------------------------------- |
 * | process         | a pid: free, or a process `weir task` that comes and goes: task_open    |
 * |                 | (task_wait_turn: wait_as_task or wait_as_spare; take_over), task_loop,  |
 * |                 | task_commit, task_close; then its end as the kernel makes it            |
 * | weir_run        | `weir run`: the lock, job_resume_check, tasks_adopt and spares_adopt,   |
 * |                 | then the loop of supervisor.c: tasks_on_end, op_start, spares_take,     |
 * |                 | look_at_promotion, forget_passed_over, spares_on_end, start_missing,    |
 * |                 | set_pass                                                                |
 * | woken           | the reader of the ring: how much it knows of (waiter_wake)              |
 * | world           | whoever kills, crashes and hangs, and takes pids that are free          |
 * | view_*          | the task's page of the control block (control_begin, control_view)      |
 * | spare_line_*    | the spare's line there (control_spare_begin, control_view_spare)        |
 * | pass            | control_set_pass, control_pass                                          |
 *
 * Left out: weak memory and the reader's sleep (ring.pml has them), room in the ring, more than one
 * spare a task and more than one task, checkpoints (checkpoint.pml), the arena's check, a mutex that was
 * written over, restart delays (a slot that is DOWN is started whenever it likes). A thread that ends
 * while its process lives on is ended by the supervisor also where no spare waits, which the code does
 * not see yet (hang_judge). A pid that stands in the control block, or in a mutex which was not handed
 * on, is not given to a process of the same task: pids come round after some ten thousands.
 *
 * Checked: one writer of the arena, always, and it holds the mutex; what is published was committed, in
 * order, once, and its reader was woken behind it; nobody signals a stranger; memory that is whole is
 * never given up, and who owns it is known to the next supervisor; no process of the job outlives the run; and, when no more crashes come, the job ends
 * (else Spin reports an invalid end state).
 *
 * Each of these flags takes one step away; Spin must then find an error:
 */
/* MUTANT PUBLISH_FIRST     the ring's word moves before the commit */
/* MUTANT COUNT_FIRST       an undo entry is counted before it is written [ITEMS=2 RUNS=1 SPARES=0] */
/* MUTANT NO_UNDO           attach does not undo */
/* MUTANT NO_WAKE           attach publishes, but wakes nobody */
/* MUTANT NO_OWNER          a spare believes a late heartbeat, not the owner mutex */
/* MUTANT HAND_ON_UNSEEN    a mutex is handed on without a look whether its holder is gone */
/* MUTANT ADOPT_BY_PID      the next supervisor adopts a pid without its start time [SPARES=0 FAULTS=2] */
/* MUTANT NO_DEATH_SIGNAL   a process that nobody knows of outlives its supervisor [SPARES=0] */
/* MUTANT NO_PREDECESSOR    the next supervisor does not wait until the one before is gone [SPARES=0] */
/* MUTANT SPARE_IN_BETWEEN  the next supervisor knows no process that is about to be the task */
/* MUTANT SPARE_FIRST       a spare is made before its task owns the arena [SPARES=2 RUNS=1] */
/* MUTANT SPARE_IS_STRANGE  a spare that owns the arena already is taken for a stranger [FAULTS=2 ONLY_CRASHES=1] */

#ifndef ITEMS
#define ITEMS 1   /* transactions */
#endif
#ifndef FAULTS
#define FAULTS 1  /* deaths of tasks, spares and supervisors, hangs */
#endif
#ifndef RUNS
#define RUNS 2    /* supervisors, all but the last of which may be killed */
#endif
#ifndef SPARES
#define SPARES 1  /* that are ever made */
#endif
#define PIDS 3
#define NOBODY PIDS
#define DIED 7    /* the mutex's word: its owner died */
#define FREE_PASS 7
#define NO_CRASH 7
#define INIT RUNS /* a parent that is gone */

mtype = { FREE, ALIVE, DYING, ZOMBIE };        /* life */
mtype = { TASK, SPARE, STRANGER };             /* role */
mtype = { STARTING, RUNNING, FINISHED };       /* control_state */
mtype = { IDLE, UP, HURT, DOWN, DONE };        /* slot_state */

/* --- what outlives processes --- */

/* the arena: two words that change together, and the undo log */
byte value, tail_committed;
byte log_count, log_value, log_tail;
byte owner = NOBODY;
/* the ring */
byte frame[ITEMS + 1], tail;
byte woken;                       /* how far the ring had come when its reader was last woken */
/* the control block */
byte view_pid = NOBODY, view_start;
mtype view_state = STARTING;
byte attempt;
bool is_ready;
byte spare_line_pid = NOBODY, spare_line_start;
byte pass;
byte crash_pid = NO_CRASH;        /* errlog_crash_slot */
byte supervisor = RUNS;           /* control_supervisor; RUNS: none yet */
/* the folder */
byte lock = RUNS;
bool is_over;

/* --- processes, as the kernel knows them --- */

mtype life[PIDS + 1] = FREE, role[PIDS + 1];
byte clock, start_time[PIDS + 1], parent[PIDS + 1] = INIT;
bool killed[PIDS + 1], is_left[PIDS + 1], is_bound[PIDS + 1] /* PR_SET_PDEATHSIG */, exited_well[PIDS + 1];
bool run_killed[RUNS + 1], run_gone[RUNS + 1];

/* --- for the properties --- */

byte committed, writers;
byte faults, spares, strangers, damaged, leftovers;
bool begun, at_once; /* the restart strategy answers every death at once */

#define IS_ALIVE(p, start) ((life[p] == ALIVE || life[p] == DYING) && start_time[p] == start)
#define HAS_ENDED(p, start) (start_time[p] != start || life[p] == ZOMBIE || life[p] == FREE)
#define IS_GONE(p) (life[p] == ZOMBIE || life[p] == FREE || role[p] == STRANGER)
#define IS_OURS(p) (life[p] == ALIVE && role[p] != STRANGER && !killed[p])
#define HAS_NO_COMMAND(p) (life[p] != ALIVE || role[p] == STRANGER) /* may_be_task */
#define PARENT(p) (run_gone[parent[p]] -> INIT : parent[p])

inline kill_process(p, start)
{
    atomic {
        if
        :: life[p] != FREE && start_time[p] == start ->
            assert(role[p] != STRANGER);
            killed[p] = true
        :: else
        fi
    }
}

/* --- a task's process --- */

inline own(p) { writers++; assert(writers == 1) }

/* owner_acquire, and look_for_lost in between. has_died: EOWNERDEAD. */
inline owner_acquire(p, has_died)
{
    do
    :: atomic { owner == NOBODY -> owner = p; has_died = false; own(p); break }
    :: atomic { owner == DIED -> owner = p; has_died = true; own(p); break }
#ifdef HAND_ON_UNSEEN
    :: atomic { owner < PIDS && owner != p -> owner = DIED }
#else
    :: atomic { owner < PIDS && HAS_NO_COMMAND(owner) -> owner = DIED } /* owner_hand_on */
#endif
#ifdef NO_OWNER
    :: atomic { role[p] == SPARE && owner < PIDS -> owner = p; has_died = true; own(p); break }
#endif
    od
}

inline owner_release(p) { atomic { assert(owner == p); owner = NOBODY; writers-- } }

inline control_begin(p)
{
    atomic { view_state = STARTING; view_start = start_time[p]; attempt++; is_ready = false };
    view_pid = p
}

#define MAY_BEGIN (pass == FREE_PASS -> crash_pid != view_pid : attempt + 1 <= pass)

/* -ECANCELED: it does nothing any more but end. */
inline leave(p) { atomic { spare_line_pid = NOBODY; life[p] = DYING } }

/* rc of task_wait_turn: is this process the task? */
inline wait_as_spare(p, is_task, has_died)
{
    atomic { spare_line_start = start_time[p]; spare_line_pid = p }; /* control_spare_begin */
    is_bound[p] = false;
    if
    :: supervisor != PARENT(p) -> leave(p)
    :: else ->
        owner_acquire(p, has_died);
        if
        :: !has_died -> owner_release(p); leave(p)
        :: else ->
            MAY_BEGIN;
            is_task = true
        fi
    fi
}

inline task_wait_turn(p, is_task, has_died)
{
    if
    :: role[p] == SPARE -> wait_as_spare(p, is_task, has_died)
    :: else -> owner_acquire(p, has_died); is_task = true
    fi;
    if
    :: is_task ->
#ifdef SPARE_IN_BETWEEN
        if :: role[p] == SPARE -> spare_line_pid = NOBODY :: else fi;
#endif
        control_begin(p); /* its line still names it, as a spare no longer */
        is_bound[p] = false
    :: else
    fi
}

/* Nobody else sees these steps, so nothing comes between them but a death. */
inline may_die(p)
{
    if
    :: faults < FAULTS -> faults++; killed[p] = true
    :: true
    fi
}

inline waiter_wake() { woken = tail }

/* Only what was committed is visible, each row once, in order. */
inline publish()
{
    tail = tail_committed;
    assert(tail <= committed);
    assert(tail == 0 || frame[tail - 1] == tail)
}

/* arena_open: entries count-1 .. 0; a death in between leaves them there for the next one. */
inline arena_open(p)
{
    atomic {
        assert(owner == p);
        crash_pid = (crash_pid == p -> NO_CRASH : crash_pid); /* crash_install */
#ifndef NO_UNDO
        if
        :: log_count == 2 -> tail_committed = log_tail; may_die(p)
        :: else
        fi;
        if
        :: log_count >= 1 && !killed[p] -> value = log_value; may_die(p)
        :: else
        fi;
#endif
        if
        :: !killed[p] -> log_count = 0
        :: else
        fi
    }
}

inline take_over(p)
{
    arena_open(p);
    atomic { assert(owner == p && tail <= tail_committed); publish() }; /* ring_begin_producer */
#ifndef NO_WAKE
    waiter_wake();
#endif
    atomic { assert(owner == p); is_ready = true; view_state = RUNNING }
}

#define STEP(p, what) if :: !killed[p] -> what; may_die(p) :: else fi

/* A batch: change the arena with its log, write a frame past the tail, task_commit. */
inline transaction(p)
{
    atomic {
        assert(owner == p);
#ifdef COUNT_FIRST
        STEP(p, log_count = 1);
        STEP(p, log_value = value);
#else
        STEP(p, log_value = value);
        STEP(p, log_count = 1);
#endif
        STEP(p, value = value + 1);
        STEP(p, frame[tail_committed] = value);
        STEP(p, log_tail = tail_committed);
        STEP(p, log_count = 2);
        STEP(p, tail_committed = tail_committed + 1)
    };
#ifdef PUBLISH_FIRST
    publish();
#endif
    atomic { assert(owner == p); log_count = 0; committed = tail_committed }; /* the one store */
    atomic { assert(owner == p); publish() };                                 /* ring_publish */
    waiter_wake()
}

active [PIDS] proctype process()
{
    bool is_task, has_died;
again:
end_free:
    life[_pid] == ALIVE && role[_pid] != STRANGER;
    {
        task_wait_turn(_pid, is_task, has_died);
        if
        :: is_task ->
            take_over(_pid);
            do
            :: value < ITEMS -> transaction(_pid)
            :: else -> break
            od;
            view_state = FINISHED;
            atomic { owner_release(_pid); exited_well[_pid] = true; life[_pid] = DYING }
        :: else
        fi
    } unless {
        killed[_pid]
    };
    /* Its thread runs no more code. The kernel hands on what it holds, unless the list was damaged. */
    atomic {
        life[_pid] = DYING;
        is_task = false;
        has_died = false;
        if
        :: owner == _pid ->
            writers--;
            if
            :: owner = DIED
            :: !is_left[_pid] && damaged + strangers < 1 -> damaged++
            fi
        :: else
        fi
    };
    /* Only later is the process gone. A thread of a library keeps it until it is killed. */
    if
    :: atomic { is_left[_pid] -> is_left[_pid] = false; killed[_pid] = false };
end_left: /* where the supervisor that saw it come so far is dead too, it stays: it does no harm */
        killed[_pid]
    :: !is_left[_pid]
    fi;
    atomic { life[_pid] = (PARENT(_pid) == INIT -> FREE : ZOMBIE) };
    life[_pid] != ZOMBIE;
    goto again
}

/* --- supervisors --- */

#define CAN_HAVE(p) (life[p] == FREE && owner != p && view_pid != p)
#define CAN_SPAWN (CAN_HAVE(0) || CAN_HAVE(1) || CAN_HAVE(2))

/* spawn_task; the pid is any that is free, the lowest here. */
inline spawn_task(what, p, start)
{
    atomic {
        if
        :: CAN_HAVE(0) -> p = 0
        :: !CAN_HAVE(0) && CAN_HAVE(1) -> p = 1
        :: !CAN_HAVE(0) && !CAN_HAVE(1) && CAN_HAVE(2) -> p = 2
        fi;
        clock++;
        start_time[p] = clock;
        start = start_time[p];
        role[p] = what;
        parent[p] = me;
        killed[p] = false;
        exited_well[p] = false;
#ifndef NO_DEATH_SIGNAL
        is_bound[p] = true;
#endif
        life[p] = ALIVE
    }
}

/* take_end: one's own child is reaped. */
inline take_end(p, start)
{
    atomic {
        if
        :: life[p] == ZOMBIE && start_time[p] == start && parent[p] == me -> life[p] = FREE
        :: else
        fi
    }
}

inline forget_spare() { crew_pid = NOBODY; crew_start = 0; crew_has_fd = false; crew_has_ended = false }

inline start_cold()
{
    spawn_task(TASK, slot_pid, slot_start);
    has_fd = true;
    is_adopted = false
}

/* job_resume_check: is the memory that was left whole, and free for who comes next? */
inline job_resume_check()
{
#ifndef NO_PREDECESSOR
    run_gone[supervisor]; /* process_wait */
#endif
    if
    :: !IS_ALIVE(view_pid, view_start) ->
        do /* free_owner */
        :: owner >= PIDS -> break
        :: atomic { owner < PIDS && IS_GONE(owner) -> owner = DIED; break }
        :: atomic {
            owner < PIDS && !killed[owner] && life[owner] == ALIVE ->
#ifdef SPARE_IS_STRANGE
            assert(false) /* "held by thread N, which is none of it": the memory is given up */
#else
            break /* a process of the task has it: a spare that is about to be the task, or waits */
#endif
        }
        od
    :: else
    fi
}

/* adopt, then spares_adopt. */
inline tasks_adopt()
{
    atomic {
        slot_pid = view_pid;
        slot_start = view_start;
#ifdef ADOPT_BY_PID
        has_fd = life[slot_pid] == ALIVE || life[slot_pid] == DYING;
        slot_start = (has_fd -> start_time[slot_pid] : slot_start);
#else
        has_fd = slot_pid != NOBODY && IS_ALIVE(slot_pid, slot_start);
#endif
        is_adopted = true
    };
    atomic {
        if
        :: spare_line_pid != NOBODY && IS_ALIVE(spare_line_pid, spare_line_start) &&
           !(has_fd && spare_line_pid == slot_pid) ->
            crew_pid = spare_line_pid;
            crew_start = spare_line_start;
            crew_has_fd = true
        :: else
        fi;
        slot = (has_fd -> UP : DOWN);
        /* who owns the arena is known */
        assert(owner >= PIDS || killed[owner] || life[owner] != ALIVE ||
               owner == slot_pid || owner == crew_pid)
    }
}

#define PROMOTED (crew_pid != NOBODY && view_pid == crew_pid)

/* The process of the slot has ended: slot_classify, schedule. */
inline tasks_ended()
{
    atomic {
        if
        :: view_pid == slot_pid && view_state == FINISHED && (is_adopted || exited_well[slot_pid]) ->
            slot = DONE
        :: else -> slot = DOWN
        fi
    }
}

inline hand_over()
{
    atomic {
        slot_pid = crew_pid;
        slot_start = crew_start;
        has_fd = crew_has_fd;
        awaits = false;
        is_adopted = parent[crew_pid] != me;
        if
        :: crew_has_ended -> tasks_ended()
        :: else
        fi;
        forget_spare()
    }
}

inline set_pass(what) { pass = what }

/* The parent of p is gone: it is told when it asked for that, and init reaps it. */
inline orphan(p)
{
    if
    :: parent[p] == me && is_bound[p] -> killed[p] = true
    :: else
    fi;
    if
    :: parent[p] == me && life[p] == ZOMBIE -> life[p] = FREE
    :: else
    fi
}

active [RUNS] proctype weir_run()
{
    byte me = _pid - PIDS;
    mtype slot = IDLE;
    byte slot_pid = NOBODY, slot_start, crew_pid = NOBODY, crew_start;
    bool has_fd, is_adopted, awaits, hangs, crew_has_fd, crew_has_ended;
    {
        if
        :: atomic { begun && lock == RUNS && !is_over && (me == 0 || run_killed[me - 1]) -> lock = me }
        :: is_over -> goto done
        fi;
        if
        :: supervisor == RUNS -> supervisor = me; start_cold(); slot = UP
        :: else ->
            job_resume_check();
            supervisor = me; /* control_begin_supervisor */
            tasks_adopt()
        fi;
        do
        /* tasks_on_end */
        :: atomic { has_fd && HAS_ENDED(slot_pid, slot_start) -> take_end(slot_pid, slot_start);
                    has_fd = false; tasks_ended() }
        /* slot_handle(START): op_start */
        :: slot == DOWN && crew_pid != NOBODY -> /* spares_take */
            atomic { slot = HURT; awaits = true; hangs = false };
            if
            :: PROMOTED
            :: else -> set_pass(attempt + 1)
            fi
        :: atomic { slot == DOWN && crew_pid == NOBODY && CAN_SPAWN -> hangs = false; start_cold();
                    slot = HURT }
        /* slot_handle(READY) */
        :: atomic { slot == HURT && !awaits && view_pid == slot_pid && is_ready -> slot = UP }
        /* look_at_promotion */
        :: awaits && PROMOTED -> hand_over()
        :: atomic { awaits && crew_pid == NOBODY && CAN_SPAWN -> awaits = false; start_cold() }
        :: awaits && !PROMOTED && crew_has_fd && !killed[crew_pid] &&
           IS_ALIVE(crew_pid, crew_start) -> /* AWAIT_MS */
            kill_process(crew_pid, crew_start)
        :: !awaits && PROMOTED && has_fd && slot_pid != crew_pid && !killed[slot_pid] -> /* LEFTOVER_MS */
            kill_process(slot_pid, slot_start)
        /* spares_on_end */
        :: atomic { crew_has_fd && HAS_ENDED(crew_pid, crew_start) ->
                    take_end(crew_pid, crew_start);
                    crew_has_fd = false;
                    if
                    :: PROMOTED -> crew_has_ended = true
                    :: else -> forget_spare()
                    fi }
        /* start_missing */
        :: atomic { slot == UP && crew_pid == NOBODY && spares < SPARES && CAN_SPAWN &&
#ifndef SPARE_FIRST
                    view_pid == slot_pid &&
#endif
                    true -> spares++;
                    spawn_task(SPARE, crew_pid, crew_start); crew_has_fd = true }
        /* spares_on_time */
        :: !awaits && slot != DONE && pass != (at_once && !hangs -> FREE_PASS : 0) ->
            set_pass((at_once && !hangs -> FREE_PASS : 0))
        /* look_at_hang */
        :: atomic { faults < FAULTS && slot == UP && has_fd && life[slot_pid] == ALIVE &&
                    view_pid == slot_pid && start_time[slot_pid] == slot_start && !killed[slot_pid] ->
                    faults++; hangs = true; set_pass(0) };
            kill_process(slot_pid, slot_start)
        :: has_fd && !awaits && life[slot_pid] == DYING && start_time[slot_pid] == slot_start &&
           !killed[slot_pid] -> /* its thread has ended */
            kill_process(slot_pid, slot_start)
        :: slot == DONE && crew_pid != NOBODY && crew_has_fd && !killed[crew_pid] ->
            kill_process(crew_pid, crew_start)
        :: slot == DONE && crew_pid == NOBODY -> break
        /* forget_passed_over: it was the task for a moment, and another one is by now */
        :: atomic { crew_has_ended && (!PROMOTED || slot == DONE) -> forget_spare() }
        od;
        atomic {
            /* no task outlives the run */
            assert(!IS_OURS(0) && !IS_OURS(1) && !IS_OURS(2));
            assert(committed == ITEMS && tail == ITEMS && woken == ITEMS);
            is_over = true;
            lock = RUNS;
            run_gone[me] = true
        }
    } unless {
        run_killed[me]
    };
    /* The kernel closes its files, then tells its children. */
    if
    :: !is_over ->
        lock = RUNS;
        atomic {
            run_gone[me] = true;
            orphan(0);
            orphan(1);
            orphan(2)
        }
    :: else
    fi;
done:
    skip
}

/* --- what happens --- */

/* A mutant that needs less is found sooner. */
#ifdef ONLY_CRASHES
#define CALM (crash_pid != NO_CRASH)
#else
#define CALM true
#endif

active proctype world()
{
    byte p;
    atomic { if :: at_once = true :: at_once = false fi; begun = true };
end:
    do
    /* the task dies of its own doing: its handler leaves word */
    :: atomic { faults < FAULTS && view_pid != NOBODY && owner == view_pid && IS_OURS(view_pid) ->
                faults++; crash_pid = view_pid; killed[view_pid] = true }
    /* all but the last supervisor */
    :: atomic { faults < FAULTS && lock + 1 < RUNS && !run_killed[lock] && CALM ->
                faults++; run_killed[lock] = true }
#ifndef ONLY_CRASHES
    :: atomic { faults < FAULTS && IS_OURS(0) -> faults++; killed[0] = true }
    :: atomic { faults < FAULTS && IS_OURS(1) -> faults++; killed[1] = true }
    :: atomic { faults < FAULTS && IS_OURS(2) -> faults++; killed[2] = true }
    /* the task's thread ends, but not its process */
    :: atomic { faults < FAULTS && leftovers < 1 && owner < PIDS && owner == view_pid &&
                IS_OURS(owner) ->
                faults++; leftovers++; is_left[owner] = true; killed[owner] = true }
    /* a pid that the control block still names is somebody else's now */
    :: atomic { damaged + strangers < 1 && view_pid != NOBODY && life[view_pid] == FREE && owner != view_pid ->
                strangers++; clock++; start_time[view_pid] = clock; role[view_pid] = STRANGER;
                life[view_pid] = ALIVE; parent[view_pid] = INIT; killed[view_pid] = false;
                is_bound[view_pid] = false }
#endif
    od
}
