"""pydantic-ai, unchanged, on an engine in the process."""

from __future__ import annotations

import indwell
import pytest
from forms import ASKED, KEY, SHORT, City
from pydantic_ai import Agent, NativeOutput, RunContext, ToolOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition


@pytest.fixture
def model_here(engine: indwell.Engine, name: str) -> OpenAIChatModel:
    provider = OpenAIProvider(
        base_url="http://indwell/v1", api_key=KEY, http_client=engine.httpx_async_client()
    )
    return OpenAIChatModel(name, provider=provider)


#: A single call, and room for it: a small model would go on calling.
LONGER = ModelSettings(temperature=0, max_tokens=100, parallel_tool_calls=False)


def test_a_question_is_answered(model_here: OpenAIChatModel) -> None:
    agent = Agent(model_here, model_settings=ModelSettings(temperature=0, max_tokens=SHORT))
    done = agent.run_sync("What is the capital of France?")
    assert done.output and 0 < done.usage.output_tokens <= SHORT


async def test_an_answer_is_streamed(model_here: OpenAIChatModel) -> None:
    agent = Agent(model_here, model_settings=ModelSettings(temperature=0, max_tokens=SHORT))
    async with agent.run_stream("What is the capital of France?") as stream:
        pieces = [piece async for piece in stream.stream_text(delta=True, debounce_by=None)]
    assert len(pieces) > 2 and "".join(pieces)


@pytest.mark.parametrize("form", [NativeOutput, ToolOutput], ids=lambda form: form.__name__)
async def test_an_answer_is_a_model(model_here: OpenAIChatModel, form: type) -> None:
    # Without tools OpenAI's API takes no word on calling them.
    settings = LONGER if form is ToolOutput else ModelSettings(temperature=0, max_tokens=100)
    agent: Agent[None, City] = Agent(model_here, output_type=form(City), model_settings=settings)
    assert isinstance((await agent.run("Tell me of a city.")).output, City)


async def test_a_tool_is_called_and_its_result_read(model_here: OpenAIChatModel) -> None:
    agent: Agent[None, City] = Agent(model_here, output_type=City, model_settings=LONGER)
    asked = []

    async def once(context: RunContext[None], tool: ToolDefinition) -> ToolDefinition | None:
        # A small model would call it for ever.
        return None if asked else tool

    @agent.tool_plain(prepare=once)
    def weather(city: str) -> str:
        """Looks up the weather of a city."""
        asked.append(city)
        return f"Rain in {city}, 7 degrees."

    done = await agent.run(ASKED)
    assert isinstance(done.output, City)
