"""What use-cases need that reach beyond this server; constructed once, in `server/app.py`."""

from collections import Counter
from dataclasses import dataclass, field

from accounts.sealing import Sealer
from outbound.web import Web

# What there can be, so that a metric begins at 0.
_RESULTS = {
    "link_preview": ("fetched", "failed", "later"),
    "webhook": ("delivered", "not_accepted", "refused", "unreachable"),
}
_NONE = {(what, result): 0 for what, results in _RESULTS.items() for result in results}


@dataclass(frozen=True, slots=True)
class GoingOut:
    """The web, whether links are looked at, what seals webhooks' secrets, our own address.

    `results` counts what came of each kind of request, for the metrics of this process.
    """

    web: Web
    link_previews: bool
    webhook_sealer: Sealer
    public_url: str
    results: Counter[tuple[str, str]] = field(default_factory=lambda: Counter(_NONE))

    def count(self, what: str, result: str) -> None:
        """Count one more request, `link_preview` or `webhook`, by what came of it."""
        self.results[what, result] += 1
