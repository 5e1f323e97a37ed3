// task.h: one process of a job: attach, take over, loop.
#ifndef WEIR_STAGES_RUNTIME_TASK_H
#define WEIR_STAGES_RUNTIME_TASK_H

// Run task `task_index` of the job in folder `job_dir` to its end. Returns the exit status: 0 done,
// 1 or 78 failed for good (the reason is in the control block), see stages/supervisor/supervisor.h.
// spare >= 0: as spare number `spare`, which waits for the task to die, then goes on as the task.
// It ends with 0 when the task ended well; then it was never the task.
int task_main(const char *job_dir, int task_index, int spare);

#endif
