// doctor_time.c: what looking at the clock, sleeping and waking cost here, and what the hypervisor
// takes.
#include <stdio.h>
#include <string.h>

#include "tools/doctor_host.h"

static const double clock_slow_ns = 200, oversleep_slow_ns = 200e3, wake_slow_ns = 100e3;
static const double steal_much_percent = 1;

static void say_clock(const struct host *host)
{
    char source[64], text[160], cost[32];
    const double ns = host->measured.clock_ns;
    doctor_read(host, "/sys/devices/system/clocksource/clocksource0/current_clocksource", source,
                sizeof source);
    snprintf(text, sizeof text, "%s, a look costs %s", *source ? source : "of an unknown source",
             doctor_format_ns(ns, cost));
    if (ns > clock_slow_ns)
        doctor_say(host->doctor, DOCTOR_WARN, "clock", text,
                   "a task looks several times a batch: boot with tsc=reliable clocksource=tsc if "
                   "dmesg says that the TSC was given up without need; in a virtual machine choose "
                   "a kind that has an invariant TSC");
    else
        doctor_say(host->doctor, DOCTOR_OK, "clock", text, NULL);
}

static void say_timer(const struct host *host)
{
    char text[160], usual[32], worst[32];
    const struct measured *m = &host->measured;
    if (m->oversleep_ns < 0)
        return;
    snprintf(text, sizeof text, "a sleep of 50 us takes %s more, at worst %s",
             doctor_format_ns(m->oversleep_ns, usual), doctor_format_ns(m->oversleep_max, worst));
    if (m->oversleep_ns > oversleep_slow_ns)
        doctor_say(host->doctor, DOCTOR_WARN, "timer", text,
                   "no high-resolution timers (boot option highres=off, or no usable clock event), "
                   "cores in deep sleep, or a busy hypervisor: rows of a paced source come in "
                   "groups; placement.waiting: spin does not sleep");
    else
        doctor_say(host->doctor, DOCTOR_OK, "timer", text, NULL);
}

static void say_wake(const struct host *host)
{
    char text[160], usual[32], worst[32];
    const struct measured *m = &host->measured;
    if (m->wake_ns < 0)
        return;
    snprintf(text, sizeof text, "%s from the call to running, at worst %s",
             doctor_format_ns(m->wake_ns, usual), doctor_format_ns(m->wake_max, worst));
    if (m->wake_ns > wake_slow_ns)
        doctor_say(host->doctor, DOCTOR_WARN, "wake-up", text,
                   "each row of a quiet job pays it at each hop: see idle states; in a virtual "
                   "machine a halted core is taken away (boot option idle=poll, or "
                   "cpuidle_haltpoll, keeps it); placement.waiting: spin needs no wake-up");
    else
        doctor_say(host->doctor, DOCTOR_OK, "wake-up", text, NULL);
}

// Of all time since the boot; < 0: not told.
static double steal_since_boot(const struct host *host)
{
    char text[512];
    double v[8] = {0}, all = 0;
    doctor_read(host, "/proc/stat", text, sizeof text);
    if (sscanf(text, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &v[0], &v[1], &v[2], &v[3], &v[4],
               &v[5], &v[6], &v[7]) != 8)
        return -1;
    for (int i = 0; i < 8; i++)
        all += v[i];
    return all > 0 ? 100 * v[7] / all : -1;
}

static void say_steal(const struct host *host)
{
    char text[160];
    double boot = steal_since_boot(host), now = host->measured.steal_percent;
    if (boot < 0 || now < 0)
        return;
    snprintf(text, sizeof text, "%.1f %% just now, %.2f %% since the boot", now, boot);
    if (now > steal_much_percent || boot > steal_much_percent)
        doctor_say(host->doctor, DOCTOR_WARN, "steal", text,
                   "the hypervisor gives these cores to others, for milliseconds at a time, which "
                   "nothing in here can mend: a kind of machine with dedicated cores");
    else
        doctor_say(host->doctor, DOCTOR_OK, "steal", text, NULL);
}

static void say_synchronised(const struct host *host)
{
    if (host->measured.is_synchronised < 0)
        return;
    if (host->measured.is_synchronised > 0)
        doctor_say(host->doctor, DOCTOR_OK, "wall clock", "synchronised", NULL);
    else
        doctor_say(host->doctor, DOCTOR_WARN, "wall clock", "not synchronised, the kernel says",
                   "only early results and times in logs go by it: chrony or systemd-timesyncd, "
                   "unless the hypervisor keeps it");
}

void doctor_time(const struct host *host)
{
    say_clock(host);
    say_timer(host);
    say_wake(host);
    say_steal(host);
    say_synchronised(host);
}
