# Copyright 2026 the Rendezvous authors. MIT license.

"""Processes meet as often as each line of the input says: `multiprocessing_barrier.py PARTIES`."""

import multiprocessing
import sys


def party(barrier, pipe):
    while phases := pipe.recv():
        for _ in range(phases):
            barrier.wait()
        pipe.send(phases)


def main():
    parties = int(sys.argv[1])
    barrier = multiprocessing.Barrier(parties)
    pipes, team = [], []
    for _ in range(parties):
        pipe, end = multiprocessing.Pipe()
        pipes.append(pipe)
        team.append(multiprocessing.Process(target=party, args=(barrier, end)))
        team[-1].start()
    for line in sys.stdin:
        for pipe in pipes:
            pipe.send(int(line))
        for pipe in pipes:
            pipe.recv()
        print("met", flush=True)
    for pipe in pipes:
        pipe.send(0)
    for process in team:
        process.join()


if __name__ == "__main__":
    main()
