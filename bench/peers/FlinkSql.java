// FlinkSql.java: SQL scripts in Flink itself, one after the other in one JVM, each timed.
//
// usage: FlinkSql KEY=VALUE... SCRIPT.sql...
// KEY=VALUE are Flink's settings. A script is what `weir run` gets: CREATE TABLE, SET, one INSERT. For each one line on
// stdout: `done SCRIPT WALL_SECONDS CPU_SECONDS`, from the submission of the job until it has finished, its last
// checkpoint and its files included; CPU time is the whole JVM's, compiler and collector with it.
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;

public final class FlinkSql {
    private static final Pattern SET = Pattern.compile("(?is)SET\\s+'([^']+)'\\s*=\\s*'([^']*)'");

    private FlinkSql() {}

    private static double cpuSeconds() {
        Object bean = ManagementFactory.getOperatingSystemMXBean();
        return ((com.sun.management.OperatingSystemMXBean) bean).getProcessCpuTime() / 1e9;
    }

    private static void run(Configuration base, String script) throws Exception {
        Configuration settings = new Configuration(base);
        List<String> statements = new ArrayList<>();
        String text = Files.readString(Path.of(script)).replaceAll("(?m)^\\s*--.*$", "");
        for (String statement : text.split(";\\s*(\\n|$)")) {
            Matcher set = SET.matcher(statement.trim());
            if (set.matches()) {
                settings.setString(set.group(1), set.group(2));
            } else if (!statement.isBlank()) {
                statements.add(statement.trim());
            }
        }
        TableEnvironment tables =
                TableEnvironment.create(
                        EnvironmentSettings.newInstance().withConfiguration(settings).build());
        for (String statement : statements) {
            boolean job = statement.toUpperCase().startsWith("INSERT");
            long start = System.nanoTime();
            double cpu = cpuSeconds();
            TableResult result = tables.executeSql(statement);
            if (job) {
                result.await();
                double seconds = (System.nanoTime() - start) / 1e9;
                System.out.printf("done %s %.3f %.3f%n", script, seconds, cpuSeconds() - cpu);
                System.out.flush();
            }
        }
    }

    public static void main(String[] args) throws Exception {
        Configuration settings = new Configuration();
        settings.setString("table.local-time-zone", "UTC");
        for (String arg : args) {
            int equals = arg.indexOf('=');
            if (equals > 0) {
                settings.setString(arg.substring(0, equals), arg.substring(equals + 1));
            } else {
                run(settings, arg);
            }
        }
        System.exit(0); // the mini cluster's threads are no daemons
    }
}
