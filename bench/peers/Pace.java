// Pace.java: the events of the latency runs: one each so many nanoseconds, by a plan made beforehand.
//
// Event n is due at start + n * step, whether anybody is ready for it or not, and latency counts from then (no coordinated
// omission). The start is the source's first call.
// Event time is milliseconds since then. What falls into the warm-up is not recorded.
import org.HdrHistogram.Histogram;

final class Pace {
    static final int KEYS = 100;
    static final int WINDOW_MS = 10;
    private static volatile long startNanos; // 0: the source does not run yet
    static long stepNanos;
    static long warmNanos;
    static long endNanos;
    private static final Histogram HISTOGRAM = new Histogram(60_000_000_000L, 3);

    private Pace() {}

    static void begin(long eventsPerSecond, long warmSeconds, long seconds) {
        stepNanos = 1_000_000_000L / eventsPerSecond;
        warmNanos = warmSeconds * 1_000_000_000L;
        endNanos = warmNanos + seconds * 1_000_000_000L;
    }

    // Called by the source before its first event.
    static void start() {
        if (startNanos == 0) {
            startNanos = System.nanoTime();
        }
    }

    static boolean isOver() {
        return startNanos != 0 && sinceStart() > endNanos + 500_000_000L;
    }

    static long sinceStart() {
        return System.nanoTime() - startNanos;
    }

    // What was due at `dueNanos` is at the sink now. One sink: one thread.
    static void arrived(long dueNanos) {
        if (dueNanos >= warmNanos && dueNanos < endNanos) {
            HISTOGRAM.recordValue(Math.max(0, Math.min(sinceStart() - dueNanos, 59_000_000_000L)));
        }
    }

    static void print(String who, String shape) {
        System.out.printf(
                "%-10s %-8s %10d %9.1f %9.1f %9.1f %9.1f %9.1f%n",
                who,
                shape,
                HISTOGRAM.getTotalCount(),
                HISTOGRAM.getValueAtPercentile(50) / 1e3,
                HISTOGRAM.getValueAtPercentile(99) / 1e3,
                HISTOGRAM.getValueAtPercentile(99.9) / 1e3,
                HISTOGRAM.getValueAtPercentile(99.99) / 1e3,
                HISTOGRAM.getMaxValue() / 1e3);
        System.out.flush();
    }
}
