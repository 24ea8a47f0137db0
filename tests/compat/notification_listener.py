"""Listens to notifications as any OpenStack service does: with oslo.messaging, which is what reads them in a cloud.

    notification_listener.py TRANSPORT_URL EXCHANGE TOPIC COUNT

Prints "ready" when it listens, then one JSON object per notification, and ends after COUNT of them.
"""

import json
import sys
import threading

import oslo_messaging
from oslo_config import cfg


class Endpoint:
    """Prints what it hears."""

    def __init__(self, count):
        self.left = count
        self.done = threading.Event()

    def info(self, context, publisher_id, event_type, payload, metadata):
        print(json.dumps({"context": context, "publisher_id": publisher_id, "event_type": event_type,
                          "payload": payload, "metadata": metadata}), flush=True)
        self.left -= 1
        if self.left == 0:
            self.done.set()


def main():
    url, exchange, topic, count = sys.argv[1:]
    transport = oslo_messaging.get_notification_transport(cfg.ConfigOpts(), url=url)
    endpoint = Endpoint(int(count))
    target = oslo_messaging.Target(exchange=exchange, topic=topic)
    listener = oslo_messaging.get_notification_listener(transport, [target], [endpoint], executor="threading")
    listener.start()
    print("ready", flush=True)
    endpoint.done.wait(60)
    listener.stop()
    listener.wait()


main()
