// Watermarks.java: what Flink's own classes make of the watermarks of several splits: random scripts
// of rows, silence, new splits and splits that end, and what is combined behind each step.
import java.lang.reflect.Field;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkOutput;
import org.apache.flink.api.common.eventtime.WatermarkOutputMultiplexer;
import org.apache.flink.api.common.eventtime.WatermarksWithIdleness;
import org.apache.flink.util.clock.RelativeClock;

public class Watermarks {
    static final int TICK_MS = 10, TIMEOUT_MS = 100, STEPS = 60, SCRIPTS = 40;
    // How long a split must have been silent is a matter of ticks: between these two nothing is asked.
    static final int SURELY_ACTIVE_MS = 90, SURELY_IDLE_MS = 140;

    // As the generator of a table's WATERMARK FOR: each row, and again with each tick.
    static class Rows implements WatermarkGenerator<Long> {
        long last = Long.MIN_VALUE;

        public void onEvent(Long row, long at, WatermarkOutput out) {
            if (row == null) return;
            last = row;
            out.emitWatermark(new Watermark(last));
        }

        public void onPeriodicEmit(WatermarkOutput out) {
            out.emitWatermark(new Watermark(last));
        }
    }

    static class Now implements RelativeClock {
        public long relativeTimeMillis() { return now; }
        public long relativeTimeNanos() { return now * 1_000_000L; }
    }

    static class Split {
        String id;
        WatermarksWithIdleness<Long> generator;
        WatermarkOutput rows, ticks;
        long silentSince;
    }

    static long now = 1;
    static long combined = Long.MIN_VALUE;

    public static void main(String[] args) throws Exception {
        for (int seed = 1; seed <= SCRIPTS; seed++) script(seed);
    }

    static void script(int seed) throws Exception {
        Random random = new Random(seed);
        combined = Long.MIN_VALUE;
        WatermarkOutputMultiplexer all = new WatermarkOutputMultiplexer(new WatermarkOutput() {
            public void emitWatermark(Watermark w) { combined = w.getTimestamp(); }
            public void markIdle() {}
            public void markActive() {}
        });
        List<Split> splits = new ArrayList<>(), live = new ArrayList<>();
        System.out.println("script " + seed);
        int first = 1 + random.nextInt(5);
        for (int i = 0; i < first; i++) add(all, splits, live);
        for (int step = 0; step < STEPS; step++) {
            int dice = random.nextInt(100);
            if (dice < 60) {
                Split split = live.get(random.nextInt(live.size()));
                Long value = random.nextInt(10) == 0 ? null : (long) step * 10 + random.nextInt(200) - 100;
                System.out.println("row " + split.id + " " + (value == null ? "-" : value));
                split.generator.onEvent(value, 0, split.rows);
                split.silentSince = now;
                tick(all, live);
            } else if (dice < 90) {
                silence(all, live, random.nextInt(3) == 0 ? 200 : 10 * random.nextInt(6));
            } else if (dice < 95) {
                add(all, splits, live);
            } else if (live.size() > 1) {
                Split split = live.remove(random.nextInt(live.size()));
                System.out.println("done " + split.id);
                all.unregisterOutput(split.id);
                tick(all, live);
            }
            say(all);
        }
    }

    static void add(WatermarkOutputMultiplexer all, List<Split> splits, List<Split> live) {
        Split split = new Split();
        split.id = "" + splits.size();
        all.registerNewOutput(split.id, new WatermarkOutputMultiplexer.WatermarkUpdateListener() {
            public void onWatermarkUpdate(long watermark) {}
            public void onIdleUpdate(boolean idle) {}
        });
        split.rows = all.getImmediateOutput(split.id);
        split.ticks = all.getDeferredOutput(split.id);
        split.generator = new WatermarksWithIdleness<>(
                new Rows(), Duration.ofMillis(TIMEOUT_MS), new Now());
        split.silentSince = now;
        splits.add(split);
        live.add(split);
        System.out.println("new");
        tick(all, live);
    }

    static void silence(WatermarkOutputMultiplexer all, List<Split> live, int ms) {
        int waited = 0;
        while (waited < ms || isUnclear(live)) {
            now += TICK_MS;
            waited += TICK_MS;
            tick(all, live);
        }
        System.out.println("wait " + waited);
    }

    static boolean isUnclear(List<Split> live) {
        for (Split split : live)
            if (now - split.silentSince > SURELY_ACTIVE_MS && now - split.silentSince < SURELY_IDLE_MS)
                return true;
        return false;
    }

    static void tick(WatermarkOutputMultiplexer all, List<Split> live) {
        for (Split split : live) split.generator.onPeriodicEmit(split.ticks);
        all.onPeriodicEmit();
    }

    static void say(WatermarkOutputMultiplexer all) throws Exception {
        Field field = WatermarkOutputMultiplexer.class.getDeclaredField("combinedWatermarkStatus");
        field.setAccessible(true);
        Object status = field.get(all);
        java.lang.reflect.Method idle = status.getClass().getDeclaredMethod("isIdle");
        idle.setAccessible(true);
        System.out.println("= " + (combined == Long.MIN_VALUE ? "-" : "" + combined) + " "
                + ((Boolean) idle.invoke(status) ? "idle" : "active"));
    }
}
