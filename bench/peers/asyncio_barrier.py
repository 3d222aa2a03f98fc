# Copyright 2026 the Rendezvous authors. MIT license.

"""Tasks meet as often as each line of the input says: `asyncio_barrier.py PARTIES`."""

import asyncio
import sys


async def main():
    parties = int(sys.argv[1])
    meeting = asyncio.Barrier(parties)

    async def party(phases):
        for _ in range(phases):
            await meeting.wait()

    for line in sys.stdin:
        await asyncio.gather(*(party(int(line)) for _ in range(parties)))
        print("met", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
