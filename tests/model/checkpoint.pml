/* checkpoint.pml: barrier, snapshots, manifest, what sinks make final, and the ways back: a region to
 * its last complete checkpoint, the job after a reboot. Crashes between any two steps.
 *
 * Two regions. A: two sources, a channel each, one sink that aligns. B: one task with source and sink
 * of its own.
 *
 * | here            | stands for                                                             |
 * | --------------- | ---------------------------------------------------------------------- |
 * | source          | head_step, checkpoint_from_source, checkpoint_pass, end_input            |
 * | sink            | exchange_reader_take and _aligned, checkpoint_pass, file_sink.c          |
 * | other           | the one task of region B                                               |
 * | put_barrier,    | checkpoint_pass up to its task_commit: the barrier, the position and    |
 * | pass_sink       | what stands before them are one transaction                            |
 * | begin_snapshot  | the rest of checkpoint_pass: snapshot_begin, the report RUNNING         |
 * | copy            | the copier: outputs durable, then the file (sync_outputs,               |
 * |                 | snapshot_write); look_at_copier: the report DONE                        |
 * | note_complete   | note_complete, chain_complete, file_sink_complete                       |
 * | supervisor      | coordinator.c (begin, look, commit, give_up, take_numbers), ending.c    |
 * |                 | (finish_job), job_restore.c for a region or for all                     |
 * | world           | deaths of tasks and supervisors, memory that is lost, a reboot          |
 *
 * A task's death in memory is one step here, after which its successor goes on from what was committed:
 * recovery.pml shows that. Left out besides: watermarks, increments (a checkpoint is its chain), parts
 * that are in progress (each row's transaction rolls), dead letters, savepoints, failing disks.
 *
 * Checked: every row comes to the sink once and in order, also behind a way back, and all are final at
 * the end; nothing is final that a way back goes behind; the newest manifest can always be restored:
 * every snapshot of it is durable, as is the output that it counts on, and behind its barriers no
 * channel holds anything (a consistent cut); region B is not touched by what happens in A; and the job
 * ends when faults do.
 *
 * Each of these flags takes one step away; Spin must then find an error:
 */
/* MUTANT MANIFEST_EARLY   the manifest is written before every snapshot is durable [FAULTS=0] */
/* MUTANT ANNOUNCE_EARLY   a checkpoint is announced before its manifest is on disk [FAULTS=1] */
/* MUTANT SINK_EARLY       a sink makes its output final when its own snapshot is done [FAULTS=1] */
/* MUTANT OUTPUT_LATE      a snapshot is done before the output that it counts on is durable [FAULTS=1] */
/* MUTANT POSITION_OUTSIDE a source notes its position in another transaction than the barrier [FAULTS=1] */
/* MUTANT NO_ALIGNMENT     a sink reads on behind the first barrier [FAULTS=1] */
/* MUTANT ANY_REPORT       the supervisor does not look of which checkpoint a report is [CHECKPOINTS=2 FAULTS=1] */
/* MUTANT NUMBER_AGAIN     a checkpoint that was given up is asked for again under its number [FAULTS=1] */
/* MUTANT GIVE_UP_COMPLETE the next supervisor gives up what is complete without being announced [FAULTS=2] */
/* MUTANT RESTORE_ONE      only the task whose memory was lost goes back [FAULTS=1] */
/* MUTANT CHANNELS_STAY    the channels of a region do not go back with its tasks [FAULTS=1] */
/* MUTANT NO_RESTORE_MARK      a supervisor that dies while a region goes back leaves no word of it */
/* MUTANT RESTORE_ALL          what A loses takes B back with it */

#ifndef ROWS
#define ROWS 0         /* of the second source; the first has one more */
#endif
#define OTHER_ROWS 1   /* of B */
#ifndef CHECKPOINTS
#define CHECKPOINTS 1  /* that are ever begun */
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#define TASKS 4        /* 0, 1: sources; 2: sink; 3: region B */
#define SINK 2
#define OTHER 3
#define BARRIER 100    /* + its number: an item of a channel */
#define END 99
#define ROOM 2

mtype = { NONE, RUNNING, DONE };

/* --- what outlives processes: arenas, channels, the control block --- */

byte position[2], tail[2];             /* of the sources: rows read; items put into the channel */
bool input_ended[2];                   /* the end mark was put */
byte head[2], channel_barrier[2];      /* of the sink: items taken */
bool channel_ended[2];
byte rows[2];                          /* of each source, in the committed length of its output */
byte barrier_rows[2];                  /* of them, in front of its last barrier */
byte other_rows, other_barrier_rows;
byte barrier[TASKS];                   /* task_state.barrier */
chan channel[2] = [ROOM] of { byte };
byte wanted_checkpoint, complete_checkpoint;
byte report_checkpoint[TASKS];
mtype report_status[TASKS] = NONE;
bool has_ended[TASKS];                 /* control_set_ended */
bool finish_asked;                     /* CONTROL_FINISH */
bool restores;                         /* the mark: region A is going back */

/* --- on disk --- */

typedef source_cut { byte at; byte sent; bool ended };
typedef sink_cut { byte taken[2]; byte written[2]; bool ended[2] };
typedef cut {
    source_cut sources[2];
    sink_cut of_sink;
    byte of_other;
    bool durable[TASKS]
};
cut chk[CHECKPOINTS + 1];       /* 0: the begin */
byte folder, manifest;                 /* highest number used; newest complete one */
byte durable_rows[2];                  /* of the output */
byte final_rows[2], other_final_rows;  /* what has its name */
bool is_finished;                      /* FINISHED */

/* --- of processes: gone with them --- */

byte copies[TASKS];                    /* the copier is at work on this checkpoint */
bool is_stopped;                       /* no process of region A */
bool has_memory = true;
byte lost = TASKS;                     /* the task of region A whose memory is gone */
bool supervisor_killed, task_died;
bool is_over;
byte wanted;                           /* the coordinator's: under way; 0: none */

byte faults;

#define RUNS(t) (has_memory && !(is_stopped && t != OTHER) && lost != t)
#define SOURCE_ROWS(i) (i == 0 -> ROWS + 1 : ROWS)

/* --- a task's side of checkpoints --- */

/* Files and reports of a checkpoint that was given up are nobody's business, so they are not kept: there
 * would be many states more. */
#ifdef ANY_REPORT
#define UNDER_WAY n
#else
#define UNDER_WAY wanted
#endif

/* The rest of checkpoint_pass: what the arena holds right behind the commit is what will be copied. A death
 * between the commit and here is as one right behind: the report never becomes DONE. */
inline begin_snapshot(t, n)
{
    if
    :: n == UNDER_WAY -> report_checkpoint[t] = n; report_status[t] = RUNNING; copies[t] = n
    :: else -> copies[t] = 0
    fi
}

/* The copier, then look_at_copier: outputs durable, the file durable, the report DONE. */
inline copy(t)
{
    atomic {
        copies[t] != 0 && RUNS(t) ->
        if
        :: t == SINK ->
#ifndef OUTPUT_LATE
            durable_rows[0] = rows[0];
            durable_rows[1] = rows[1];
#endif
#ifdef SINK_EARLY
            final_rows[0] = barrier_rows[0];
            final_rows[1] = barrier_rows[1];
#endif
            skip
        :: else
        fi;
        chk[copies[t]].durable[t] = true;
        report_status[t] = DONE;
        copies[t] = 0
    }
}

inline note_source(n, i)
{
    if
    :: n == UNDER_WAY ->
        chk[n].sources[i].at = position[i];
        chk[n].sources[i].sent = tail[i];
        chk[n].sources[i].ended = input_ended[i]
    :: else
    fi
}

/* --- sources --- */

/* checkpoint_pass: the barrier into the output, unless the source lingers behind its end mark. */
inline put_barrier(i)
{
    if
    :: !input_ended[i] -> channel[i]!BARRIER + wanted_checkpoint; tail[i]++
    :: else
    fi;
    barrier[i] = wanted_checkpoint
}

active [2] proctype source()
{
    byte noted;
    do
    :: is_over -> break
    :: atomic { RUNS(_pid) && position[_pid] < SOURCE_ROWS(_pid) && len(channel[_pid]) < ROOM ->
                position[_pid]++; channel[_pid]!position[_pid]; tail[_pid]++ }
    :: atomic { RUNS(_pid) && position[_pid] == SOURCE_ROWS(_pid) && !input_ended[_pid] &&
                len(channel[_pid]) < ROOM ->
                channel[_pid]!END; input_ended[_pid] = true; tail[_pid]++;
                has_ended[_pid] = true }
#ifdef POSITION_OUTSIDE
    :: atomic { RUNS(_pid) && wanted_checkpoint > barrier[_pid] && noted != wanted_checkpoint ->
                noted = wanted_checkpoint; note_source(noted, _pid) }
    :: atomic { RUNS(_pid) && wanted_checkpoint > barrier[_pid] && noted == wanted_checkpoint &&
                (input_ended[_pid] || len(channel[_pid]) < ROOM) ->
                put_barrier(_pid);
                if
                :: noted == wanted -> chk[noted].sources[_pid].sent = tail[_pid]
                :: else
                fi;
                begin_snapshot(_pid, wanted_checkpoint) }
#else
    :: atomic { RUNS(_pid) && wanted_checkpoint > barrier[_pid] &&
                (input_ended[_pid] || len(channel[_pid]) < ROOM) ->
                put_barrier(_pid);
                note_source(wanted_checkpoint, _pid);
                begin_snapshot(_pid, wanted_checkpoint) }
#endif
    :: copy(_pid)
    :: atomic { RUNS(_pid) && input_ended[_pid] && !has_ended[_pid] -> has_ended[_pid] = true }
    od
}

/* --- the sink --- */

#define NEWEST (channel_barrier[0] > channel_barrier[1] -> channel_barrier[0] : channel_barrier[1])
#ifdef NO_ALIGNMENT
#define IS_BLOCKED(i) false
#define IS_ALIGNED (NEWEST > barrier[SINK])
#else
#define IS_BLOCKED(i) (channel_barrier[i] > barrier[SINK] && channel_barrier[i] == NEWEST)
#define IS_ALIGNED (NEWEST > barrier[SINK] && \
    (channel_barrier[0] == NEWEST || channel_ended[0]) && \
    (channel_barrier[1] == NEWEST || channel_ended[1]))
#endif
#define ALL_ENDED (channel_ended[0] && channel_ended[1])

/* One item; its row goes to the output in the same transaction. */
inline take(i)
{
    atomic {
        RUNS(SINK) && !IS_ALIGNED && !IS_BLOCKED(i) && len(channel[i]) > 0 ->
        channel[i]?item;
        head[i]++;
        if
        :: item > BARRIER -> channel_barrier[i] = item - BARRIER
        :: item == END -> channel_ended[i] = true
        :: else ->
            assert(item == rows[i] + 1); /* once, in order */
            rows[i]++
        fi;
        item = 0
    }
}

/* note_complete, file_sink_complete */
inline note_complete()
{
    if
    :: barrier[SINK] == complete_checkpoint ->
        final_rows[0] = (barrier_rows[0] > final_rows[0] -> barrier_rows[0] : final_rows[0]);
        final_rows[1] = (barrier_rows[1] > final_rows[1] -> barrier_rows[1] : final_rows[1])
    :: else
    fi
}

inline pass_sink(n)
{
    note_complete();
    barrier_rows[0] = rows[0];
    barrier_rows[1] = rows[1];
    barrier[SINK] = n;
    if
    :: n == UNDER_WAY ->
        chk[n].of_sink.taken[0] = head[0];
        chk[n].of_sink.taken[1] = head[1];
        chk[n].of_sink.written[0] = rows[0];
        chk[n].of_sink.written[1] = rows[1];
        chk[n].of_sink.ended[0] = channel_ended[0];
        chk[n].of_sink.ended[1] = channel_ended[1]
    :: else
    fi;
    begin_snapshot(SINK, n)
}

active proctype sink()
{
    byte item, newest;
    do
    :: is_over -> break
    :: take(0)
    :: take(1)
    :: atomic { RUNS(SINK) && IS_ALIGNED ->
                newest = NEWEST; pass_sink(newest); newest = 0 }
    :: atomic { RUNS(SINK) && ALL_ENDED && !IS_ALIGNED && wanted_checkpoint > barrier[SINK] ->
                pass_sink(wanted_checkpoint) } /* checkpoint_linger */
    :: atomic { RUNS(SINK) && complete_checkpoint > 0 && barrier[SINK] == complete_checkpoint &&
                (final_rows[0] < barrier_rows[0] || final_rows[1] < barrier_rows[1]) ->
                note_complete() }
    :: copy(SINK)
    :: atomic { RUNS(SINK) && ALL_ENDED && !IS_ALIGNED && !has_ended[SINK] ->
                durable_rows[0] = rows[0]; durable_rows[1] = rows[1]; /* prepare_finish */
                has_ended[SINK] = true }
    :: atomic { RUNS(SINK) && finish_asked && has_ended[SINK] &&
                (final_rows[0] < rows[0] || final_rows[1] < rows[1]) ->
                final_rows[0] = rows[0]; final_rows[1] = rows[1] } /* file_sink_finish */
    od
}

/* --- region B --- */

active proctype other()
{
    do
    :: is_over -> break
    :: atomic { RUNS(OTHER) && !has_ended[OTHER] -> other_rows = OTHER_ROWS; has_ended[OTHER] = true }
    :: atomic { RUNS(OTHER) && wanted_checkpoint > barrier[OTHER] ->
                if
                :: barrier[OTHER] == complete_checkpoint && other_final_rows < other_barrier_rows ->
                    other_final_rows = other_barrier_rows
                :: else
                fi;
                other_barrier_rows = other_rows;
                barrier[OTHER] = wanted_checkpoint;
                begin_snapshot(OTHER, wanted_checkpoint);
                if
                :: copies[OTHER] != 0 ->
                    chk[wanted_checkpoint].of_other = other_rows;
                    chk[wanted_checkpoint].durable[OTHER] = true;
                    report_status[OTHER] = DONE;
                    copies[OTHER] = 0
                :: else
                fi }
    :: atomic { RUNS(OTHER) && finish_asked && has_ended[OTHER] && other_final_rows < other_rows ->
                other_final_rows = other_rows }
    od
}

/* --- the supervisor --- */

inline kill_task(t)
{
    copies[t] = 0;
    has_ended[t] = false /* checkpoint_open */
}

#define FORGET(c) c.sources[0].at = 0; c.sources[0].sent = 0; c.sources[0].ended = false; \
    c.sources[1].at = 0; c.sources[1].sent = 0; c.sources[1].ended = false; \
    c.of_sink.taken[0] = 0; c.of_sink.taken[1] = 0; c.of_sink.written[0] = 0; \
    c.of_sink.written[1] = 0; c.of_sink.ended[0] = false; c.of_sink.ended[1] = false; \
    c.of_other = 0; c.durable[0] = false; c.durable[1] = false; c.durable[SINK] = false; \
    c.durable[OTHER] = false

inline forget_reports()
{
#if !defined(ANY_REPORT) && !defined(NUMBER_AGAIN)
    report_checkpoint[0] = 0; report_status[0] = NONE; copies[0] = 0;
    report_checkpoint[1] = 0; report_status[1] = NONE; copies[1] = 0;
    report_checkpoint[2] = 0; report_status[2] = NONE; copies[2] = 0;
    report_checkpoint[3] = 0; report_status[3] = NONE; copies[3] = 0;
#endif
    task_died = false
}

/* store_give_up: its files go. */
inline give_up()
{
    if
    :: wanted != 0 -> FORGET(chk[wanted])
    :: else
    fi;
    forget_reports();
    wanted = 0
}

/* The rename of the manifest: from here on this checkpoint is the one to go back to. */
inline store_commit()
{
    atomic {
        assert(chk[wanted].durable[0] && chk[wanted].durable[1]);
        assert(chk[wanted].durable[SINK] && chk[wanted].durable[OTHER]);
        manifest = wanted
    }
}

inline restore_source(i)
{
    atomic {
        assert(chk[manifest].durable[i] || manifest == 0);
        position[i] = chk[manifest].sources[i].at;
        tail[i] = chk[manifest].sources[i].sent;
        input_ended[i] = chk[manifest].sources[i].ended;
        barrier[i] = manifest;
        has_ended[i] = false
    }
}

/* job_restore, file_sink.c: lead_back. */
inline restore_sink()
{
    atomic {
        assert(chk[manifest].durable[SINK] || manifest == 0);
        assert(durable_rows[0] >= chk[manifest].of_sink.written[0]);
        assert(durable_rows[1] >= chk[manifest].of_sink.written[1]);
        rows[0] = chk[manifest].of_sink.written[0];
        rows[1] = chk[manifest].of_sink.written[1];
        assert(final_rows[0] <= rows[0] && final_rows[1] <= rows[1]);
        barrier_rows[0] = rows[0];
        barrier_rows[1] = rows[1];
        head[0] = chk[manifest].of_sink.taken[0];
        head[1] = chk[manifest].of_sink.taken[1];
        channel_ended[0] = chk[manifest].of_sink.ended[0];
        channel_ended[1] = chk[manifest].of_sink.ended[1];
        channel_barrier[0] = (channel_ended[0] -> 0 : manifest);
        channel_barrier[1] = (channel_ended[1] -> 0 : manifest);
        barrier[SINK] = manifest;
        has_ended[SINK] = false
    }
}

/* start_ring: behind an aligned barrier the channel is empty. */
inline start_channel(i)
{
    atomic {
        assert(tail[i] == head[i]);
        do
        :: len(channel[i]) > 0 -> channel[i]?_
        :: else -> break
        od
    }
}

inline restore_other()
{
    atomic {
        assert(chk[manifest].durable[OTHER] || manifest == 0);
        assert(other_final_rows <= chk[manifest].of_other);
        assert(!has_memory); /* B goes back only with the whole job */
        other_rows = chk[manifest].of_other;
        other_barrier_rows = other_rows;
        barrier[OTHER] = manifest;
        has_ended[OTHER] = false
    }
}

inline restore_region()
{
#ifdef RESTORE_ONE
    if
    :: first < SINK -> restore_source(first)
    :: first == SINK -> restore_sink()
    :: first == TASKS -> restore_source(0); restore_source(1); restore_sink()
    fi;
#else
    restore_source(0);
    restore_source(1);
    restore_sink();
#endif
#ifndef CHANNELS_STAY
    start_channel(0);
    start_channel(1);
#endif
}

/* The renames of a job whose tasks had all ended are done from the disk. */
inline store_finish()
{
    atomic {
        final_rows[0] = durable_rows[0];
        final_rows[1] = durable_rows[1];
        other_final_rows = OTHER_ROWS
    }
}

active proctype supervisor()
{
    byte last, first;
again:
    {
        if
        :: is_finished && !has_memory -> store_finish(); goto over
        :: !has_memory && !is_finished -> /* resume_create_job */
            first = TASKS;
            restore_region();
            restore_other();
            atomic { is_stopped = false; lost = TASKS; restores = false; has_memory = true }
        :: has_memory -> /* adoption; a region that was going back does so anew */
#ifdef NO_RESTORE_MARK
            is_stopped = false
#else
            skip
#endif
        fi;
        /* coordinator_create: take_chains, take_numbers */
        atomic {
            last = (folder > wanted_checkpoint -> folder : wanted_checkpoint);
#ifndef GIVE_UP_COMPLETE
            if
            :: wanted == manifest -> wanted = 0 /* its manifest was the last that the dead one did */
            :: else
            fi;
#endif
            give_up();
            if
            :: manifest > complete_checkpoint -> complete_checkpoint = manifest
            :: else
            fi
        };
        do
        /* begin */
        :: wanted == 0 && !finish_asked && last < CHECKPOINTS && lost == TASKS && !restores ->
            atomic { last++; folder = last }; /* store_begin */
            atomic { wanted = last; wanted_checkpoint = last }
        /* look, commit */
        :: wanted != 0 &&
#ifdef ANY_REPORT
           report_status[0] == DONE && report_status[1] == DONE && report_status[2] == DONE &&
           report_status[3] == DONE ->
#else
           report_checkpoint[0] == wanted && report_checkpoint[1] == wanted &&
           report_checkpoint[2] == wanted && report_checkpoint[3] == wanted &&
#ifdef MANIFEST_EARLY
           true ->
#else
           report_status[0] == DONE && report_status[1] == DONE && report_status[2] == DONE &&
           report_status[3] == DONE ->
#endif
#endif
#ifdef ANNOUNCE_EARLY
            complete_checkpoint = wanted;
            store_commit();
#else
            store_commit();
            complete_checkpoint = wanted;
#endif
            atomic { forget_reports(); wanted = 0 }
        /* coordinator_task_died */
        :: atomic { wanted != 0 && task_died -> give_up() }
        /* checkpoint.timeout */
        :: atomic { wanted != 0 && faults < FAULTS -> faults++; give_up() }
        /* a region's memory is lost: its tasks end, all of them go back */
        :: (lost != TASKS || restores) && !is_finished ->
            atomic {
                is_stopped = true;
#ifndef NO_RESTORE_MARK
                restores = true;
#endif
#ifdef NUMBER_AGAIN
                last = (wanted != 0 -> last - 1 : last);
#endif
                give_up();
                first = (lost == TASKS -> 0 : lost);
                lost = TASKS;
                kill_task(0);
                kill_task(1);
                kill_task(SINK);
#ifdef RESTORE_ALL
                kill_task(OTHER)
#endif
            };
            restore_region();
#ifdef RESTORE_ALL
            restore_other();
#endif
            atomic { restores = false; is_stopped = false; first = 0 }
        :: lost != TASKS && is_finished -> store_finish(); goto over
        /* finish_job */
        :: has_ended[0] && has_ended[1] && has_ended[SINK] && has_ended[OTHER] && !is_finished ->
            atomic { give_up(); is_finished = true; FORGET(chk[1]); FORGET(chk[manifest]) }
        :: is_finished && !finish_asked -> finish_asked = true
        :: finish_asked && final_rows[0] == rows[0] && final_rows[1] == rows[1] &&
           other_final_rows == other_rows && lost == TASKS && has_ended[SINK] -> goto over
        od
    } unless {
        supervisor_killed
    };
    atomic { supervisor_killed = false; last = 0; first = 0 };
    goto again;
over:
    atomic {
        assert(final_rows[0] == SOURCE_ROWS(0) && final_rows[1] == SOURCE_ROWS(1));
        assert(other_final_rows == OTHER_ROWS);
        is_over = true
    }
}

/* --- what happens --- */

inline task_dies(t)
{
    atomic {
        faults < FAULTS && RUNS(t) && (copies[t] != 0 || has_ended[t]) ->
        faults++;
        kill_task(t);
        task_died = true
    }
}

active proctype world()
{
    byte t;
end:
    do
    :: is_over -> break
    :: task_dies(0)
    :: task_dies(1)
    :: task_dies(SINK)
    :: task_dies(OTHER)
    :: atomic { faults < FAULTS && !supervisor_killed -> faults++; supervisor_killed = true }
    :: atomic { faults < FAULTS && has_memory && lost == TASKS && !is_stopped ->
                faults++; if :: lost = 0 :: lost = 1 :: lost = SINK fi }
    /* a reboot: what was in memory is gone, as is what was not durable */
    :: atomic { faults < FAULTS && has_memory ->
                faults++;
                has_memory = false;
                supervisor_killed = true;
                kill_task(0); kill_task(1); kill_task(SINK); kill_task(OTHER);
                is_stopped = false; lost = TASKS; restores = false;
                wanted_checkpoint = 0; complete_checkpoint = 0; finish_asked = false;
                task_died = false;
                t = 0;
                do
                :: t < TASKS -> report_checkpoint[t] = 0; report_status[t] = NONE; t++
                :: else -> t = 0; break
                od }
    od
}
