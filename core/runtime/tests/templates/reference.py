"""Renders chat templates as Hugging Face `transformers` sets Jinja up, for comparison.

Reads one JSON object from standard input: `templates`, a list of sources; `conversations`, a list of
objects with `variables`, and `continues` if the last message is to go on; `now`, the seconds of a frozen
clock, in UTC. Writes a list with a list for each template: for each conversation `{"text": …}`, or
`{"error": …}` where the template raises.

What counts is the set-up: an immutable sandbox, blocks trimmed and stripped, loop controls,
`{% generation %}` blocks that only track, `tojson` without HTML escapes, `raise_exception`,
`strftime_now`, and `dict` and `namespace` that reach nothing of Python's.
"""

import datetime
import json
import sys

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox
import jinja2.utils


class Generation(jinja2.ext.Extension):
    """A block that says what the assistant wrote; it renders its body."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("_body")
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


class Dictionary:
    """`dict(...)`, and nothing else of the class."""

    def __call__(self, *args, **kwargs):
        return dict(*args, **kwargs)

    def fromkeys(self, *args, **kwargs):
        return dict.fromkeys(*args, **kwargs)


class Namespace(jinja2.utils.Namespace):
    """A namespace without members that begin with an underscore."""

    def __init__(*args, **kwargs):  # noqa: N805 (as jinja2 does it: `self` may be a member)
        self, args = args[0], args[1:]
        members = dict(*args, **kwargs)
        for name in members:
            check(name)
        jinja2.utils.Namespace.__init__(self, members)

    def __setitem__(self, name, value):
        check(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)


def check(name):
    if isinstance(name, str) and name.startswith("_"):
        raise jinja2.exceptions.SecurityError(f"a namespace can't have a member {name!r}")


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(
        x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def environment(now):
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = now.strftime
    env.globals["dict"] = Dictionary()
    env.globals["namespace"] = Namespace
    return env


TAG = "CONTINUE_FINAL_MESSAGE_TAG "


def render(template, conversation):
    """The prompt; cut behind the last message's content if that is to go on."""
    variables = conversation["variables"]
    if not conversation.get("continues"):
        return template.render(**variables)
    content = variables["messages"][-1]["content"]
    last = {**variables["messages"][-1], "content": content + TAG}
    text = template.render(**{**variables, "messages": [*variables["messages"][:-1], last]})
    if content.strip() not in text or TAG.strip() not in text:
        raise ValueError("the last message does not appear in the prompt")
    at = text.rindex(TAG.strip())
    if text[at : at + len(TAG)] == TAG:
        return text[:at]
    return text[:at].rstrip()


def main():
    given = json.load(sys.stdin)
    now = datetime.datetime.fromtimestamp(given["now"], datetime.timezone.utc)
    env = environment(now.replace(tzinfo=None))
    rendered = []
    for source in given["templates"]:
        try:
            template = env.from_string(source)
        except Exception as error:
            rendered.append([{"error": repr(error)} for _ in given["conversations"]])
            continue
        texts = []
        for conversation in given["conversations"]:
            try:
                texts.append({"text": render(template, conversation)})
            except Exception as error:
                texts.append({"error": repr(error)})
        rendered.append(texts)
    json.dump(rendered, sys.stdout)


if __name__ == "__main__":
    main()
