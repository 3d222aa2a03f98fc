# Copyright 2026 the Rendezvous authors. MIT license.

"""Threads meet as often as each line of the input says: `threading_barrier.py PARTIES`."""

import sys
import threading


def main():
    parties = int(sys.argv[1])
    meeting = threading.Barrier(parties)
    gate = threading.Barrier(parties + 1)
    phases = 0

    def party():
        while True:
            gate.wait()
            for _ in range(phases):
                meeting.wait()
            gate.wait()

    for _ in range(parties):
        threading.Thread(target=party, daemon=True).start()
    for line in sys.stdin:
        phases = int(line)
        gate.wait()
        gate.wait()
        print("met", flush=True)


if __name__ == "__main__":
    main()
