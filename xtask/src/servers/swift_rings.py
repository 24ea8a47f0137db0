"""Writes Swift's three rings: one replica on one device. Arguments: folder, then NAME:PORT for each ring."""
import sys

from swift.common.ring import RingBuilder

folder = sys.argv[1]
for name, port in (argument.split(":") for argument in sys.argv[2:]):
    builder = RingBuilder(4, 1, 0)
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "d1",
                     "weight": 1.0, "meta": "", "replication_ip": "127.0.0.1", "replication_port": int(port)})
    builder.rebalance()
    builder.get_ring().save("%s/%s.ring.gz" % (folder, name))
