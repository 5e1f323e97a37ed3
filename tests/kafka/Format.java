// Format.java: writes the bootstrap.checkpoint of a fresh broker, with the features that kafka-storage.sh would
// turn on by itself (transactions of version 2 among them): without one a broker knows metadata.version only, and
// would be another than the one that people run. Done once, by `fetch`.
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.metadata.bootstrap.BootstrapDirectory;
import org.apache.kafka.metadata.bootstrap.BootstrapMetadata;
import org.apache.kafka.server.common.Feature;
import org.apache.kafka.server.common.MetadataVersion;

public class Format {
    public static void main(String[] folder) throws Exception {
        MetadataVersion release = MetadataVersion.latestProduction();
        Map<String, Short> levels = new HashMap<>();
        for (Feature feature : Feature.PRODUCTION_FEATURES)
            levels.put(feature.featureName(), feature.defaultLevel(release));
        // With static voters, which is how these tests start a quorum, this one must stay 0.
        levels.put("kraft.version", (short) 0);
        BootstrapMetadata made = BootstrapMetadata.fromVersions(release, levels, "format command");
        new BootstrapDirectory(folder[0]).writeBinaryFile(made);
    }
}
