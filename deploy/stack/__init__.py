"""`make stack`: Freshet on real servers, natively; deploy/compose.yaml shares parts of it.

__main__   the order of a start and a stop
layout     where every server listens
programs   every program of the stack
join       the Flink job that joins impressions with clicks, kept running
ready      the block that ends the start
shop       simulated visitors of a shop, as Kafka messages
passwords  the servers' passwords, for the native stack and for Docker Compose
healthy    the health check inside a container
"""
