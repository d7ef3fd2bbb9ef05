"""The llama-cpp-python binding, used where it is installed and xllamacpp is not.

It decodes one answer at a time and has no slots: samples follow one another, and a prompt's keys and
values are reused only from the request before.
"""

from __future__ import annotations

import threading
from typing import Any

from kcode.providers.embedded.runtime import Emit, RuntimeProblem, Stopped

_FIM = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")


class LlamaCppRuntime:
    def __init__(self, order: dict[str, Any]) -> None:
        import llama_cpp

        self._version = str(llama_cpp.__version__)
        self._lock = threading.Lock()
        self._context = int(order["context"])
        try:
            self._llama: Any = llama_cpp.Llama(
                model_path=order["model"],
                n_ctx=self._context,
                n_threads=int(order["threads"]),
                n_threads_batch=int(order["threads"]),
                n_batch=128,
                use_mmap=True,
                verbose=False,
            )
        except (ValueError, RuntimeError, OSError) as error:
            raise RuntimeProblem("model", f"the model cannot be loaded: {error}") from error
        self._fim = [self._tokens(token, special=True) for token in _FIM]

    def facts(self) -> dict[str, Any]:
        return {
            "runtime": "llama-cpp-python",
            "version": self._version,
            "context": self._context,
            "infill": all(len(ids) == 1 for ids in self._fim),
            "slots": False,
            "weighs": False,
        }

    def complete(self, body: dict[str, Any], stopped: Stopped) -> dict[str, Any]:
        choices = [
            [self._sample(item, body, stopped) for _ in range(int(body["n"]))] for item in body["prompts"]
        ]
        tokens = sum(choice["tokens"] for sampled in choices for choice in sampled)
        return {"choices": choices, "prompt_tokens": 0, "completion_tokens": tokens, "cached": 0}

    def weigh(self, body: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeProblem("request", "this runtime does not weigh a given text")

    def chat(self, body: dict[str, Any], emit: Emit) -> dict[str, Any]:
        shape = body.get("response_format")
        if shape:
            shape = {"type": "json_object", "schema": shape["json_schema"]["schema"]}
        completion = 0
        with self._lock:
            try:
                for chunk in self._llama.create_chat_completion(
                    messages=body["messages"],
                    max_tokens=body["max_tokens"],
                    temperature=body.get("temperature", 0.2),
                    response_format=shape,
                    stream=True,
                ):
                    completion += 1
                    if emit(dict(chunk)):
                        return {}
            except ValueError as error:
                raise _problem(error) from error
            prompt = max(0, int(self._llama.n_tokens) - completion)
        emit({"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion}})
        return {}

    def slot_file(self, op: str, slot: int, filename: str) -> dict[str, Any]:
        raise RuntimeProblem("request", "this runtime keeps no slots")

    def _sample(self, item: dict[str, str], body: dict[str, Any], stopped: Stopped) -> dict[str, Any]:
        before, between, after = (ids[0] for ids in self._fim)
        prompt = [before, *self._tokens(item["prefix"]), between, *self._tokens(item["suffix"]), after]
        text, count = "", 0
        with self._lock:
            try:
                for chunk in self._llama.create_completion(
                    prompt,
                    max_tokens=body["max_tokens"],
                    temperature=body["temperature"],
                    stop=body["stop"],
                    stream=True,
                ):
                    text += chunk["choices"][0]["text"]
                    count += 1
                    if stopped():
                        break
            except ValueError as error:
                raise _problem(error) from error
        return {"text": text, "logprob": None, "tokens": count}

    def _tokens(self, text: str, *, special: bool = False) -> list[int]:
        return [int(token) for token in self._llama.tokenize(text.encode(), add_bos=False, special=special)]


def _problem(error: ValueError) -> RuntimeProblem:
    return RuntimeProblem("overflow" if "context window" in str(error) else "request", str(error))
