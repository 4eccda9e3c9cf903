"""asyncio: awaited replies, `async for` over a stream, and cancelling by cancelling the task.

    python asyncio_tasks.py [MODEL]
"""

import asyncio
import sys

import indwell

model = sys.argv[1] if len(sys.argv) > 1 else "smollm2-135m"


async def main() -> None:
    async with await indwell.Engine.aload(model) as engine:
        # Together: the engine batches them, and the event loop is never blocked.
        colors = ["red", "green", "blue"]
        requests = [engine.acomplete(f"Things that are {color}: a", max_tokens=8) for color in colors]
        for color, reply in zip(colors, await asyncio.gather(*requests)):
            print(f"{color}: a{' '.join(reply.text.split())}")

        async for event in engine.achat("Count to five.", stream=True, max_tokens=16):
            if event.type == "text":
                print(event.text, end="", flush=True)
        print()

        story = asyncio.create_task(engine.achat("Tell me a very long story.", max_tokens=2000))
        try:
            await asyncio.wait_for(story, timeout=0.2)
        except asyncio.TimeoutError:
            print("the story took too long, and was cancelled")


asyncio.run(main())
