"""Made-up secrets of every form, random from a fixed seed; none of them ever opened anything."""

from __future__ import annotations

import base64
import random
import string
from functools import cache

_WORDS = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"
_CAPITALS = string.ascii_uppercase + string.digits


@cache
def run(alphabet: str, size: int, seed: int = 1) -> str:
    """``size`` characters; every one of the first three classes of ``alphabet`` is in it."""
    rng = random.Random(f"{alphabet}{size}{seed}")
    return "".join(rng.choices(alphabet, k=size - 3)) + "7" + alphabet[0] + alphabet[-1]


def key_block() -> str:
    """A private key in its usual text form, of random bytes."""
    body = base64.b64encode(random.Random(5).randbytes(400)).decode()
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN RSA PRIVATE KEY-----\n{lines}\n-----END RSA PRIVATE KEY-----\n"


def _b64(size: int) -> str:
    return run(_WORDS, size, 3)


_FORMS: dict[str, tuple[str, str]] = {
    "AWS access key": ("id = {}", "AKIA" + run(_CAPITALS, 16)),
    "AWS secret key": ("aws_secret_access_key = {}", _b64(40)),
    "GitHub token": ("{}", "ghp_" + run(_WORDS, 36)),
    "GitHub fine token": ("token {}", "github_pat_" + run(_WORDS, 22) + "_" + run(_WORDS, 59)),
    "GitLab token": ("{}", "glpat-" + run(_WORDS, 20)),
    "Slack token": ("{}", "xoxb-" + run(string.digits, 12) + "-" + run(_WORDS, 24)),
    "Slack webhook": (
        "https://hooks.slack.com/services/{}",
        "T0" + run(_CAPITALS, 9) + "/B0" + run(_WORDS, 30),
    ),
    "Google API key": ("{}", "AIza" + run(_WORDS, 35)),
    "payment key": ("{}", "sk_live_" + run(_WORDS, 24)),
    "OpenAI key": ("{}", "sk-proj-" + run(_WORDS, 48)),
    "Moonshot key": ("MOONSHOT_API_KEY={}", "sk-" + run(_WORDS, 48)),
    "Ark key": ('"ark_api_key": "{}"', "4f1c9a7e-2b8d-4e63-9d05-7a3b6c81f2e9"),
    "npm token": ("//registry.example.org/:_authToken={}", "npm_" + run(_WORDS, 36)),
    "upload token": ("{}", "pypi-" + run(_WORDS, 80)),
    "Alibaba key": ("{}", "LTAI" + run(_WORDS, 20)),
    "Tencent key": ("{}", "AKID" + run(_WORDS, 32)),
    "Volcengine key": ("{}", "AKLT" + run(_WORDS, 44)),
    "Hugging Face token": ("{}", "hf_" + run(_WORDS, 34)),
    "vault token": ("{}", "hvs." + run(_WORDS, 40)),
    "JSON web token": ("{}", f"eyJ{_b64(20)}.eyJ{_b64(60)}.{_b64(43)}"),
    "bearer": ("Authorization: Bearer {}", _b64(40)),
    "storage key": ("AccountKey={};EndpointSuffix=x", _b64(86) + "=="),
    "password in a URL": ("DATABASE_URL=postgres://app:{}@db.internal:5432/shop", "s3cr-Tplum"),
    "Redis password": ("redis://:{}@cache:6379/0", "x9plumKq4"),
    "signature in a URL": ("https://x.blob.core.windows.net/a?se=2030&sig={}", _b64(43)),
    "quoted password": ("password = '{}'", "plum7cherry!"),
    "password of an environment": ("DB_PASSWORD={}", "plum7cherry9"),
    "password in YAML": ("  password: {}", "plum7-cherry!"),
    "connection string": ("Server=db;User Id=sa;Password={};Encrypt=true", "Plum7!cherry"),
    "hex secret": ('SECRET_KEY = "{}"', run(_HEX, 64)),
    "small letters": ("api_key = '{}'", run(string.ascii_lowercase + string.digits, 32)),
    "JSON client secret": ('"client_secret": "{}"', _b64(32)),
    "type between": ('api_token: str = "{}"', _b64(32)),
    "option": ("mysql --password={} shop", "plum7-cherry"),
    "random word": ("The new one is {} by the way", _b64(40)),
    "private key id": ('"private_key_id": "{}"', run(_HEX, 40)),
    "bot token": ("https://api.example.org/bot1234567890:{}/getMe", "AA" + run(_WORDS, 33)),
    "service account": (
        '"private_key": "-----BEGIN PRIVATE KEY-----\\n{}\\n-----END PRIVATE KEY-----\\n"',
        _b64(64) + "\\n" + _b64(60),
    ),
}
PLANTED = tuple(_FORMS)


def planted(name: str) -> tuple[str, str]:
    """A text with a secret in it, and the secret."""
    around, secret = _FORMS[name]
    return around.replace("{}", secret), secret
