"""Small histories, told line by line, for the checker's tests."""

from __future__ import annotations

from typing import Any

from tests.faults.checker import check
from tests.faults.history import Final, Kind, Logged, Operation, Pointers, State, Stay, Stored

INVOKE, OK = State.INVOKE, State.OK


class Story:
    """Tells a history line by line; `ana` and `ben` are in chat `c` from its first event on."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.final = Final(
            users=["ana", "ben"],
            start={"c": 1},
            log={"c": [Logged(1, "chat_created")]},
            messages={"c": []},
            stays=[Stay("c", "ana", 1, 1), Stay("c", "ben", 1, 1)],
        )

    def note(self, client: str, kind: Kind, state: State, at: float | None = None, **more: Any):
        moment = float(len(self.operations)) if at is None else at
        self.operations.append(Operation(moment, client, 0, kind, state, **({"chat": "c"} | more)))

    def send(self, key: str, ending: State = OK, *, stored: bool = True, sender: str = "ana"):
        """A send with its end; stored and logged, if it is."""
        self.note(sender, Kind.SEND, INVOKE, key=key, text=key)
        if stored:
            self.store(key, sender)
        self.note(sender, Kind.SEND, ending, key=key, seq=len(self.final.messages["c"]))

    def store(self, key: str, sender: str = "ana"):
        seq = len(self.final.messages["c"]) + 1
        self.final.messages["c"].append(Stored(seq, sender, key, key))
        self.final.log["c"].append(Logged(len(self.final.log["c"]) + 1, "message_sent", seq))

    def hear(self, client: str, *seqs: int, **changed: Any):
        """Events as the log has them, or with something changed."""
        for seq in seqs:
            event = (
                self.final.log["c"][seq - 1] if seq <= len(self.final.log["c"]) else Logged(0, "x")
            )
            message = self.final.messages["c"][event.about - 1] if event.about else None
            heard: dict[str, Any] = {
                "seq": seq,
                "event": "".join(part.title() for part in event.kind.split("_")),
                "about": event.about,
                "subject": event.subject,
                "key": message.key if message else "",
                "text": message.text if message else "",
            }
            self.note(client, Kind.RECEIVE, OK, **(heard | changed))

    def all_hear(self, *, but: str = ""):
        for client in self.final.users:
            if client != but:
                self.hear(client, *(event.seq for event in self.final.log["c"][1:]))

    def mark(self, who: str, kind: Kind, seq: int, ending: State = OK):
        """A mark with its end, asked for."""
        self.note(who, kind, INVOKE, about=seq, key=f"{kind} {seq}")
        self.note(who, kind, ending, about=seq, key=f"{kind} {seq}")

    def stand(self, who: str, delivered: int, read: int, told: tuple[int, int] = (0, 0)):
        """How far somebody is stored to have got in the end, and what of it was to be told."""
        self.final.pointers.append(Pointers("c", who, delivered, read, *told))

    def tell(self, client: str, subject: str, delivered: int, read: int):
        """A receipt that arrives."""
        self.note(client, Kind.RECEIPT, OK, subject=subject, seq=delivered, about=read)

    def found(self) -> dict[str, int]:
        return check(self.operations, self.final).totals
