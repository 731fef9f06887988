"""A loop that works and can be asked: `controlled.py SOCKET WORD…` asks and prints the answer.

The owner gives a `tick(now)`, which does what is due and says when it wants to be called again, and an `answer(words, reply)`, which calls `reply(text)`
at once or later. Times are of CLOCK_MONOTONIC, which all network namespaces of a host share: a stamp of one process means the same in another.
"""
import gc
import json
import os
import resource
import selectors
import socket
import sys
import time


class Loop:
    def __init__(self, path, tick, answer, many=False):
        """many: thousands of sockets, and turns of a millisecond; otherwise few sockets, and turns as short as the kernel's timers."""
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        gc.disable()  # nothing here is cyclic, and a collection over ten thousand connections would look like an outage
        self.selector = selectors.EpollSelector() if many else selectors.SelectSelector()
        self.tick, self.answer = tick, answer
        self.control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.control.bind(path + ".new")
        self.control.listen(64)
        self.path = path
        self.watch(self.control, self.asked)

    def watch(self, fileobj, callback, events=selectors.EVENT_READ):
        self.selector.register(fileobj, events, callback)

    def change(self, fileobj, callback, events=selectors.EVENT_READ):
        self.selector.modify(fileobj, events, callback)

    def ignore(self, fileobj):
        self.selector.unregister(fileobj)

    def asked(self, _):
        connection, _ = self.control.accept()
        connection.settimeout(2)
        words = json.loads(connection.recv(65536))

        def reply(text):
            try:
                with connection:
                    connection.sendall(str(text).encode())
            except OSError:
                pass  # who asked has gone

        self.answer(words, reply)

    def run(self):
        os.rename(self.path + ".new", self.path)  # now there is somebody who answers
        while True:
            due = self.tick(time.monotonic())
            for key, _ in self.selector.select(max(0, due - time.monotonic())):
                key.data(key.fileobj)


def real_time():
    """What measures others must not wait for them: above everything without a real-time policy, below what has one for its own reasons."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))


def ask(path, *words, limit=120):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(limit)
    s.connect(path)
    s.sendall(json.dumps(words).encode())
    answer = b""
    while chunk := s.recv(65536):
        answer += chunk
    return answer.decode()


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        print(ask(*sys.argv[1:]))
    except OSError as error:
        sys.exit(f"{sys.argv[1]}: {error}")
