"""The xllamacpp binding: llama.cpp's own server inside the worker.

It always opens a port. It is bound to loopback, and every route that shows or does anything asks for a
random key (``/health`` alone answers without one). kcode itself uses the port for the three things that
the in-process interface does not offer: tokenising, saving a slot and restoring it.
"""

from __future__ import annotations

import http.client
import json
import secrets
from typing import Any
from urllib.parse import urlsplit

from kcode.config.jsontext import read_json
from kcode.providers.embedded.runtime import Emit, RuntimeProblem, Stopped

FIM_TOKENS = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
PROMPT_BATCH = 128  # tokens between two looks at the cancel flag while a prompt is read


class XllamacppRuntime:
    def __init__(self, order: dict[str, Any]) -> None:
        import xllamacpp

        self._version = str(xllamacpp.__version__)
        self._key = secrets.token_urlsafe(32)
        params = _parameters(xllamacpp, order, self._key)
        try:
            self._server = xllamacpp.Server(params)
        except (RuntimeError, ValueError, OSError) as error:
            raise RuntimeProblem("model", f"the model cannot be loaded: {error}") from error
        self._context = int(order["context"])
        self._parallel = int(order["parallel"])
        address = urlsplit(self._server.listening_address)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 0
        self._fim = [self._tokenize(token, special=True) for token in FIM_TOKENS]

    def facts(self) -> dict[str, Any]:
        return {
            "runtime": "xllamacpp",
            "version": self._version,
            "context": self._context,
            "infill": all(len(ids) == 1 for ids in self._fim),
            "slots": True,
            "weighs": True,
        }

    def complete(self, body: dict[str, Any], stopped: Stopped) -> dict[str, Any]:
        prompts = [self._infill_prompt(item) for item in body["prompts"]]
        n = int(body["n"])
        request = {
            "prompt": prompts if len(prompts) > 1 else prompts[0],
            "n": n,
            "max_tokens": body["max_tokens"],
            "temperature": body["temperature"],
            "stop": body["stop"],
            "logprobs": 1,
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,
            "cache_prompt": True,
        }
        collected = Collected(len(prompts), n)

        def callback(chunk: Any) -> bool:
            collected.add(chunk)
            return stopped()

        _raise_error(self._server.handle_completions(request, callback))
        _raise_error(collected.error)
        return collected.result()

    def weigh(self, body: dict[str, Any]) -> dict[str, Any]:
        """A grammar of one sentence forces the text; the log-probabilities are those before the grammar."""
        request = {
            "prompt": self._infill_prompt(body),
            "max_tokens": 4 + len(body["text"]),
            "temperature": 0.0,
            "grammar": f'root ::= {json.dumps(body["text"])} "\\n"',
            "logprobs": int(body["top"]),
            "cache_prompt": True,
        }
        answer = self._server.handle_completions(request)
        _raise_error(answer)
        content = (answer["choices"][0].get("logprobs") or {}).get("content") or ()
        return {
            "tokens": [
                [
                    one["token"],
                    one["logprob"],
                    [[o["token"], o["logprob"]] for o in one.get("top_logprobs") or ()],
                ]
                for one in content
            ]
        }

    def chat(self, body: dict[str, Any], emit: Emit) -> dict[str, Any]:
        failure: dict[str, Any] = {}

        def callback(chunk: Any) -> bool:
            if isinstance(chunk, dict) and "error" in chunk:
                failure.update(chunk)
                return True
            return emit(chunk)

        request = {
            **body,
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,
            "cache_prompt": True,
        }
        _raise_error(self._server.handle_chat_completions(request, callback))
        _raise_error(failure)
        return {}

    def slot_file(self, op: str, slot: int, filename: str) -> dict[str, Any]:
        return self._post(f"/slots/{slot}?action={op}", {"filename": filename})

    def _infill_prompt(self, item: dict[str, str]) -> str | list[int]:
        prefix, suffix = item["prefix"], item["suffix"]
        before, between, after = FIM_TOKENS
        if "<|" not in prefix and "<|" not in suffix:
            return f"{before}{prefix}{between}{suffix}{after}"
        # Text that spells a special token must stay text: tokenise it as such.
        ids = [token for fim in self._fim for token in fim]
        return [ids[0], *self._tokenize(prefix), ids[1], *self._tokenize(suffix), ids[2]]

    def _tokenize(self, text: str, *, special: bool = False) -> list[int]:
        body = {"content": text, "add_special": False, "parse_special": special}
        return [int(token) for token in self._post("/tokenize", body).get("tokens", [])]

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=120)
        try:
            headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            data = read_json(answer.read() or b"{}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise RuntimeProblem("request", f"{path}: {error}") from error
        finally:
            connection.close()
        _raise_error(data)
        return dict(data)


class Collected:
    """Gathers the streamed fragments of several prompts with several samples each."""

    def __init__(self, prompts: int, n: int) -> None:
        self._n = n
        self._texts = [""] * (prompts * n)
        self._sums = [0.0] * (prompts * n)
        self._counts = [0] * (prompts * n)
        self._prompts = prompts
        self._usage: dict[str, Any] = {}
        self.error: dict[str, Any] = {}

    def add(self, chunk: Any) -> None:
        if not isinstance(chunk, dict):
            return
        if "error" in chunk:
            self.error = chunk
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices") or ():
            index = int(choice.get("index", 0))
            self._texts[index] += choice.get("text") or ""
            for token in (choice.get("logprobs") or {}).get("content") or ():
                self._sums[index] += float(token["logprob"])
                self._counts[index] += 1

    def result(self) -> dict[str, Any]:
        flat = [
            {"text": text, "logprob": total / count if count else None, "tokens": count}
            for text, total, count in zip(self._texts, self._sums, self._counts, strict=True)
        ]
        details = self._usage.get("prompt_tokens_details") or {}
        return {
            "choices": [flat[i * self._n : (i + 1) * self._n] for i in range(self._prompts)],
            "prompt_tokens": self._usage.get("prompt_tokens", 0),
            "completion_tokens": self._usage.get("completion_tokens", 0),
            "cached": details.get("cached_tokens", 0),
        }


def _parameters(xllamacpp: Any, order: dict[str, Any], key: str) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = order["model"]
    params.n_ctx = int(order["context"])
    params.n_parallel = int(order["parallel"])
    params.kv_unified = True  # one pool of cells: any slot may use the whole window
    params.n_batch = params.n_ubatch = PROMPT_BATCH
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(order["threads"])
    params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_MMAP
    params.cache_ram_mib = int(order["prompt_cache_mb"])
    params.cache_idle_slots = False  # it would empty the chat slot while candidates are sampled
    params.warmup = False
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    params.ui = False
    params.n_threads_http = 2
    params.endpoint_slots = True
    params.slot_save_path = order["kv_dir"].rstrip("/") + "/"
    params.verbosity = 1
    return params


def _raise_error(answer: Any) -> None:
    if not isinstance(answer, dict) or not answer.get("error"):
        return
    error = answer["error"]
    if not isinstance(error, dict):
        raise RuntimeProblem("request", str(error))
    overflow = error.get("type") == "exceed_context_size_error"
    raise RuntimeProblem(
        "overflow" if overflow else "request",
        str(error.get("message", error)),
        prompt_tokens=error.get("n_prompt_tokens", 0),
    )
