"""What keys look like: forms that a key has by itself, whatever is written around it."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

# A key begins where no word goes on; in JSON text the letter of an escape (``\n``) is not part of a word.
START = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt]))"
_END = r"(?![A-Za-z0-9_])"


class Form(NamedTuple):
    """``pattern`` is tried where one of ``anchors`` stands, and nowhere else: what it looks at before that is
    a lookbehind. Its first group, where it has one, is the secret. ``entropy`` is the least Shannon entropy
    of that, bits per character."""

    kind: str
    anchors: tuple[str, ...]
    pattern: str
    entropy: float = 0.0


def _row(kind: str, anchors: str, rest: str, entropy: float = 0.0) -> Form:
    """A key that begins with one of ``anchors`` (words) and goes on with ``rest``."""
    words = tuple(anchors.split())
    return Form(kind, words, f"{START}(?:{'|'.join(map(re.escape, words))}){rest}", entropy)


FORMS = (
    _row("AWS access key", "AKIA ASIA", r"[A-Z0-9]{16}" + _END),
    _row("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"[A-Za-z0-9]{36,255}"),
    _row("GitHub token", "github_pat_", r"[A-Za-z0-9_]{40,255}"),
    _row(
        "GitLab token",
        "glpat- gldt- glrt- glptt- glcbt- glsoat- glimt- glagent- gloas- glft-",
        r"[A-Za-z0-9_.-]{20,300}",
    ),
    _row("Slack token", "xoxa- xoxb- xoxc- xoxe- xoxo- xoxp- xoxr- xoxs- xapp-", r"[A-Za-z0-9-]{10,250}"),
    Form(
        "webhook address",
        ("hooks.slack.com/",),
        r"hooks\.slack\.com/(?:services|workflows)/([A-Za-z0-9_/-]{24,200})",
    ),
    Form(
        "webhook address",
        ("discord.com/api/webhooks/", "discordapp.com/api/webhooks/"),
        r"discord(?:app)?\.com/api/webhooks/([A-Za-z0-9_/-]{24,200})",
    ),
    _row("Google API key", "AIza", r"[A-Za-z0-9_-]{35}"),
    _row("Google token", "ya29. GOCSPX-", r"[A-Za-z0-9_-]{20,1000}"),
    Form(
        "private key id", ("private_key_id",), r"private_key_id\\?[\"']\s{0,4}:\s{0,4}\\?[\"']([0-9a-f]{40})"
    ),
    _row("payment key", "sk_live_ rk_live_ sk_test_ rk_test_ whsec_", r"[A-Za-z0-9]{16,250}", 3.0),
    _row("API key", "sk-", r"[A-Za-z0-9_-]{20,300}", 3.0),
    _row("API key", "gsk_", r"[A-Za-z0-9]{40,60}" + _END, 3.5),
    _row("API key", "xai-", r"[A-Za-z0-9]{60,90}" + _END, 3.5),
    _row("API key", "pplx-", r"[A-Za-z0-9]{40,60}" + _END, 3.5),
    _row("API key", "r8_", r"[A-Za-z0-9]{37}" + _END, 3.5),
    _row("API key", "tvly-", r"(?:dev-|prod-)?[A-Za-z0-9]{24,40}" + _END, 3.5),
    _row("API key", "nvapi-", r"[A-Za-z0-9_-]{60,70}" + _END, 3.5),
    _row("npm token", "npm_", r"[A-Za-z0-9]{36}" + _END),
    _row("package upload token", "pypi-", r"[A-Za-z0-9_-]{50,1000}"),
    _row("package upload token", "rubygems_", r"[0-9a-f]{48}" + _END),
    _row("package upload token", "dckr_pat_ dckr_oat_", r"[A-Za-z0-9_-]{24,100}"),
    _row("Hugging Face token", "hf_", r"[A-Za-z0-9]{30,100}" + _END, 3.0),
    _row("Alibaba Cloud key", "LTAI", r"[A-Za-z0-9]{12,30}" + _END, 3.0),
    _row("Tencent Cloud key", "AKID", r"[A-Za-z0-9]{28,44}" + _END, 3.0),
    _row("Volcengine key", "AKLT AKTP", r"[A-Za-z0-9]{30,60}={0,2}" + _END, 3.0),
    _row("cloud token", "dop_v1_ doo_v1_ dor_v1_", r"[0-9a-f]{64}" + _END),
    _row("cloud token", "hvs. hvb. hvr.", r"[A-Za-z0-9_-]{24,300}"),
    _row("cloud token", "dp.st. dp.pt. dp.ct. dp.sa.", r"[A-Za-z0-9._-]{30,100}", 3.0),
    _row("cloud token", "dapi", r"[0-9a-f]{32}" + _END, 3.0),
    _row("cloud token", "sbp_", r"[0-9a-f]{40}" + _END, 3.0),
    _row("cloud token", "nfp_", r"[A-Za-z0-9]{36}" + _END, 3.0),
    _row("cloud token", "glsa_ glc_", r"[A-Za-z0-9+/=_-]{32,400}", 3.0),
    _row("service token", "lin_api_ ntn_", r"[A-Za-z0-9]{32,60}" + _END, 3.0),
    _row("service token", "figd_", r"[A-Za-z0-9_-]{36,60}", 3.0),
    _row("service token", "PMAK-", r"[0-9a-f]{24}-[0-9a-f]{34}" + _END),
    _row("service token", "SG.", r"[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{30,60}", 3.0),
    _row("service token", "shpat_ shpca_ shppa_ shpss_", r"[0-9a-fA-F]{32}" + _END),
    _row("service token", "ATATT3", r"[A-Za-z0-9_=-]{60,300}", 3.0),
    _row("service token", "NRAK-", r"[A-Z0-9]{27}" + _END),
    _row("service token", "sntrys_ sntryu_", r"[A-Za-z0-9+/=_-]{40,400}", 3.0),
    _row("service token", "sq0atp- sq0csp-", r"[A-Za-z0-9_-]{22,60}", 3.0),
    _row("service token", "key-", r"[0-9a-f]{32}" + _END, 3.0),
    _row("service token", "dt0c01.", r"[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    Form("bot token", (":AA",), r"(?<=[0-9]{8}):(AA[A-Za-z0-9_-]{33})" + _END),
    _row("age key", "AGE-SECRET-KEY-1", r"[A-Z0-9]{50,60}"),
    _row(
        "JSON web token", "eyJ", r"[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,8000}\.[A-Za-z0-9_-]{10,2000}"
    ),
    Form("Azure storage key", ("AccountKey=",), r"AccountKey=([A-Za-z0-9+/]{60,200}={0,2})"),
    Form(
        "password in a URL",
        ("://",),
        r"(?<=[A-Za-z0-9])://(?P<user>[^\s:/@,'\"`<>]{0,60}):(?!(?P=user)@)([^\s/@'\"`<>\\()\[\]{}|*^]{5,200})@",
        1.9,
    ),
    Form(
        "signature in a URL",
        ("sig=", "ignature="),
        r"(?:(?<=[?&;])sig|(?<=[?&;-][Ss])ignature)=([^\s&\"'`<>#\\)]{16,2000})",
        3.3,
    ),
    Form(
        "authorization header",
        ("earer ", "asic ", "BEARER ", "BASIC "),
        r"(?:(?<=[Bb])earer|BEARER|(?<=[Bb])asic|BASIC) ([A-Za-z0-9+/_.=~-]{16,4000})",
        3.3,
    ),
)

KEY_BLOCK = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----")
KEY_END = "-----END "
KEY_RUN = re.compile(r"(?:(?<!\\)\\++[nr])|([A-Za-z0-9+/=]{16,}+)")
LONGEST_KEY = 20_000  # characters of a private key in its text form


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """ASCII: a word also ends where Chinese text begins, so that a key in the middle of it is found."""
    return re.compile(pattern, re.ASCII)
