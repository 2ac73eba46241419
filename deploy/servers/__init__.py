"""The real servers, natively: one module per server, from its configuration to its command.

program          one server program: its command, and how one sees that it is ready
kafka, redis, postgres, s3, prometheus, flink, torchserve/   the servers
topics           the Kafka topics of the stack
management_door  a proxy that lets callers of TorchServe's management look and set the default
java             where Java is
java_properties  a value in a file of Java properties
maven            jars from Maven
"""
