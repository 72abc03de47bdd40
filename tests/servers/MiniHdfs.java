import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.SafeModeAction;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.DistributedFileSystem;
import org.apache.hadoop.hdfs.protocol.HdfsConstants;
import org.apache.hadoop.hdfs.server.datanode.DataNode;
import org.apache.hadoop.hdfs.server.namenode.NameNode;
import org.apache.hadoop.metrics2.lib.DefaultMetricsSystem;

/**
 * A NameNode and a DataNode in one JVM, which ends when its standard input does.
 *
 * <p>Arguments: directory, host, and the ports of the NameNode's RPC and HTTP, and of the
 * DataNode's transfers, HTTP and IPC. Says READY once, then "DONE n" or "FAILED n why" for the
 * n-th line of its input, which is "safemode on", "safemode off" or "quota PATH BYTES" (-1: none).
 */
public class MiniHdfs {
  public static void main(String[] arguments) throws Exception {
    Configuration configuration = configuration(arguments);
    DefaultMetricsSystem.setMiniClusterMode(true);
    NameNode.format(configuration);
    NameNode nameNode = NameNode.createNameNode(new String[] {}, configuration);
    DataNode dataNode = DataNode.createDataNode(new String[] {}, configuration);
    while (!dataNode.isDatanodeFullyStarted()
        || nameNode.getNamesystem().getNumLiveDataNodes() < 1) {
      Thread.sleep(25);
    }
    DistributedFileSystem files =
        (DistributedFileSystem) FileSystem.newInstance(configuration);
    files.mkdirs(new Path("/tmp"));
    files.setPermission(new Path("/tmp"), new FsPermission((short) 01777));
    System.out.println("READY");
    obey(files);
    Runtime.getRuntime().halt(0); // nothing is kept, so nothing needs an orderly end
  }

  private static void obey(DistributedFileSystem files) throws Exception {
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
    String line;
    for (int number = 1; (line = input.readLine()) != null; number++) {
      try {
        carryOut(files, line.split(" "));
        System.out.println("DONE " + number);
      } catch (Exception error) {
        System.out.println("FAILED " + number + " " + error.toString().split("\n")[0]);
      }
    }
  }

  private static void carryOut(DistributedFileSystem files, String[] words) throws Exception {
    if (words[0].equals("safemode")) {
      boolean on = words[1].equals("on");
      files.setSafeMode(on ? SafeModeAction.ENTER : SafeModeAction.LEAVE);
    } else if (words[0].equals("quota")) {
      long bytes = Long.parseLong(words[2]);
      long unchanged = HdfsConstants.QUOTA_DONT_SET;
      files.setQuota(new Path(words[1]), unchanged, bytes < 0 ? HdfsConstants.QUOTA_RESET : bytes);
    } else {
      throw new IllegalArgumentException(words[0]);
    }
  }

  private static Configuration configuration(String[] arguments) {
    String directory = new File(arguments[0]).getAbsolutePath();
    String host = arguments[1] + ":";
    Configuration configuration = new Configuration();
    configuration.set("fs.defaultFS", "hdfs://" + host + arguments[2]);
    configuration.set("hadoop.tmp.dir", directory + "/tmp");
    configuration.set("dfs.namenode.name.dir", "file://" + directory + "/name");
    configuration.set("dfs.datanode.data.dir", "file://" + directory + "/data");
    configuration.set("dfs.namenode.rpc-address", host + arguments[2]);
    configuration.set("dfs.namenode.http-address", host + arguments[3]);
    configuration.set("dfs.datanode.address", host + arguments[4]);
    configuration.set("dfs.datanode.http.address", host + arguments[5]);
    configuration.set("dfs.datanode.ipc.address", host + arguments[6]);
    configuration.set("dfs.datanode.hostname", arguments[1]);
    configuration.set("dfs.replication", "1");
    configuration.set("dfs.namenode.fs-limits.min-block-size", "4096");
    configuration.set("dfs.namenode.safemode.extension", "0");
    configuration.set("dfs.namenode.edits.noeditlogchannelflush", "true"); // no fsync
    // A write over WebHDFS would sleep 400 ms before it asks a second time whether it is done.
    configuration.set("dfs.client.block.write.locateFollowingBlock.initial.delay.ms", "4");
    return configuration;
  }
}
