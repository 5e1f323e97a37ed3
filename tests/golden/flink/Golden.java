// Golden: asks Flink itself. For each topic file, run its cases and write topic.out beside it.
//
// usage: java -cp ... Golden FOLDER TOPIC.sql...   (make.sh calls it)
// A topic is statements that all of its cases share, then blocks "-- case NAME" of statements.
// ${IN} is FOLDER/in. Parallelism 1 and a watermark behind every row make late rows reproducible.
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.regex.*;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.*;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

public class Golden {
    static final Pattern SET = Pattern.compile("(?is)SET\\s+'([^']+)'\\s*=\\s*'([^']*)'");
    static final PrintStream STDOUT = System.out;

    static String reason(Throwable thrown) {
        Throwable last = thrown;
        while (last.getCause() != null) last = last.getCause();
        String text = String.valueOf(last.getMessage()).replaceAll("\\s+", " ").trim();
        return text.length() > 150 ? text.substring(0, 150) : text;
    }

    static List<String> statements(String script) {
        List<String> out = new ArrayList<>();
        StringBuilder set = null; // EXECUTE STATEMENT SET BEGIN ...; END
        for (String s : script.replaceAll("(?m)^\\s*--.*$", "").split(";\\s*(\\n|$)")) {
            if (s.isBlank()) continue;
            String upper = s.trim().toUpperCase();
            if (upper.startsWith("EXECUTE STATEMENT SET")) set = new StringBuilder();
            if (set == null) { out.add(s.trim()); continue; }
            set.append(s.trim());
            if (upper.equals("END")) { out.add(set.toString()); set = null; }
            else set.append(";\n");
        }
        return out;
    }

    static void run(String script, PrintStream out) throws Exception {
        Configuration c = new Configuration();
        c.setString("parallelism.default", "1");
        c.setString("pipeline.auto-watermark-interval", "0 ms");
        c.setString("table.local-time-zone", "UTC");
        List<String> rest = new ArrayList<>();
        for (String s : statements(script)) {
            Matcher m = SET.matcher(s);
            if (m.matches()) c.setString(m.group(1), m.group(2)); else rest.add(s);
        }
        EnvironmentSettings settings = EnvironmentSettings.newInstance().withConfiguration(c).build();
        TableEnvironment t = TableEnvironment.create(settings);
        for (String s : rest) {
            TableResult r = t.executeSql(s);
            String upper = s.toUpperCase();
            if (upper.startsWith("INSERT") || upper.startsWith("EXECUTE")) r.await();
            else if (r.getResultKind() == ResultKind.SUCCESS_WITH_CONTENT)
                try (CloseableIterator<Row> rows = r.collect()) {
                    while (rows.hasNext()) out.println(rows.next());
                }
        }
    }

    public static void main(String[] args) throws Exception {
        String only = System.getProperty("only", "");
        for (int i = 1; i < args.length; i++) {
            Path topic = Path.of(args[i]);
            String text = Files.readString(topic).replace("${IN}", args[0] + "/in");
            String[] parts = text.split("(?m)^-- case ");
            StringBuilder all = new StringBuilder();
            for (int p = 1; p < parts.length; p++) {
                int line = parts[p].indexOf('\n');
                String name = parts[p].substring(0, line).trim();
                if (!name.startsWith(only)) continue;
                ByteArrayOutputStream bytes = new ByteArrayOutputStream();
                PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);
                System.setOut(out); // the print connector writes there
                try {
                    run(parts[0] + parts[p].substring(line), out);
                } catch (Throwable thrown) {
                    out.println("ERROR " + reason(thrown));
                }
                System.setOut(STDOUT);
                all.append("-- case ").append(name).append('\n')
                   .append(bytes.toString(StandardCharsets.UTF_8));
                STDOUT.println(topic.getFileName() + " " + name + ": "
                               + bytes.toString(StandardCharsets.UTF_8).lines().count() + " lines"
                               + (bytes.toString().startsWith("ERROR") ? " " + bytes : ""));
            }
            if (only.isEmpty())
                Files.writeString(Path.of(args[i].replaceAll("\\.sql$", ".out")), all);
            else STDOUT.print(all);
        }
        System.exit(0);
    }
}
