"""The chats of the demo: who is in them, what about, how lively and at what hours."""

from dataclasses import dataclass

from server.demo.people import BY_HANDLE, Person
from server.demo.rhythm import ALWAYS, EVENINGS, FAMILY, LEISURE, NOON, WORK, Rhythm


@dataclass(frozen=True, slots=True)
class Plot:
    """What a story is made of.

    The first member owns a group, which has a title. `scripts` name the files that its people
    talk from, what the chat is about first. `joins` and `leaves` say after which part of its
    messages, between 0 and 1, somebody comes or goes. `age` is in days; a direct chat's is up to
    chance.
    """

    members: str
    scripts: str
    weight: float
    rhythm: Rhythm
    title: str | None = None
    description: str | None = None
    admins: str = ""
    joins: tuple[str, float] | None = None
    leaves: tuple[str, float] | None = None
    age: float | None = None

    @property
    def direct(self) -> bool:
        """Whether it is a chat of two."""
        return self.title is None

    @property
    def people(self) -> list[Person]:
        """Who is in it from the beginning."""
        return [BY_HANDLE[handle] for handle in self.members.split()]


def _group(
    title: str,
    description: str | None,
    members: str,
    scripts: str,
    weight: float,
    rhythm: Rhythm,
    *,
    admins: str = "",
    joins: tuple[str, float] | None = None,
    leaves: tuple[str, float] | None = None,
    age: float = 60,
) -> Plot:
    return Plot(members, scripts, weight, rhythm, title, description, admins, joins, leaves, age)


def _direct(members: str, scripts: str, weight: float, rhythm: Rhythm = EVENINGS) -> Plot:
    return Plot(members, scripts, weight, rhythm)


_GROUPS = [
    _group(
        "Tidewater",
        "Ferry timetables, tickets and the colour of the buttons. "
        "Handbook: https://wiki.tidewater.example",
        "maya yusuf tomas nadia aiko olga priya ben",
        "team everyday",
        23,
        WORK,
        admins="yusuf",
        joins=("wei", 0.62),
    ),
    _group(
        "On call 🚨",
        "Alarms and who looks after them. Rota: https://wiki.tidewater.example/rota",
        "yusuf tomas olga dmitri maya pager",
        "oncall",
        17,
        ALWAYS,
        admins="olga",
        joins=("wei", 0.8),
    ),
    _group(
        "Pier 9 Rovers ⚽",
        "Sundays, whatever the weather. We play in blue.",
        "ben chidi jonas mateo sven finn tomas dmitri kenji",
        "football everyday",
        19,
        LEISURE,
        admins="chidi sven",
        joins=("arjun", 0.35),
        leaves=("kenji", 0.75),
    ),
    _group(
        "Flat 12",
        "Rent on the first, bins on Tuesday, coffee always.",
        "hana irina finn tui",
        "flat everyday",
        18,
        EVENINGS,
        joins=("amelie", 0.45),
        leaves=("tui", 0.4),
    ),
    _group(
        "Book circle",
        "One book a month, last Thursday, at somebody’s kitchen table.",
        "grace lena hana nadia priya olga rosa",
        "books everyday",
        15,
        EVENINGS,
        admins="lena",
    ),
    _group(
        "Familia Herrera",
        "Comemos los domingos.",
        "carmen sofia tomas mateo",
        "familia_es",
        8.5,
        FAMILY,
        admins="sofia",
    ),
    _group(
        "عائلة حداد",
        "الأكل أولاً، ثم الأخبار",
        "nadia layla karim",
        "aila_ar family",
        10.5,
        FAMILY,
        admins="layla",
    ),
    _group("Самара — и дальше", None, "olga dmitri irina", "druzya_ru", 7.5, EVENINGS),
    _group(
        "Lindenstraße 14",
        "Pakete, Schlüssel, Garten. Parcels, keys, garden.",
        "rosa lena jonas zeynep yusuf grace sven olga",
        "neighbours neighbours_de",
        11,
        FAMILY,
        admins="lena",
    ),
    _group(
        "The Low Tides",
        "Five people, eight songs, one van.",
        "finn aiko dmitri amelie tui",
        "band",
        10.5,
        EVENINGS,
        admins="aiko",
    ),
    _group(
        "Saturday outdoors",
        "A route by Thursday, yes or no by Friday, cake at the end.",
        "priya maya sven hana layla kenji rosa chidi",
        "hike everyday",
        12,
        LEISURE,
        joins=("arjun", 0.5),
    ),
    _group(
        "Class 3b",
        "Homework, lost jackets, lifts.",
        "zeynep grace ben layla jonas",
        "school",
        7,
        FAMILY,
        admins="grace",
    ),
    _group("Lunch?", None, "tomas maya aiko ben priya nadia", "lunch", 6.5, NOON, age=45),
    _group(
        "🤫 for Maya",
        "She must not find this.",
        "nadia yusuf tomas aiko olga priya ben",
        "surprise",
        4.5,
        WORK,
        age=16,
    ),
]

_DIRECTS = [
    _direct("maya nadia", "work_direct direct", 10, WORK),
    _direct("maya yusuf", "work_direct", 7, WORK),
    _direct("maya tomas", "work_direct direct", 6, WORK),
    _direct("aiko olga", "work_direct direct", 7, WORK),
    _direct("priya wei", "work_direct", 5, WORK),
    _direct("dmitri wei", "work_direct direct", 4, WORK),
    _direct("ben nadia", "work_direct direct", 5, WORK),
    _direct("yusuf zeynep", "couple zu_zweit_de", 10, FAMILY),
    _direct("lena jonas", "zu_zweit_de couple", 9, FAMILY),
    _direct("tomas sofia", "dos_es direct", 8),
    _direct("carmen tomas", "dos_es", 4.5, FAMILY),
    _direct("mateo sofia", "dos_es", 4),
    _direct("nadia layla", "direct aila_ar", 9),
    _direct("karim layla", "aila_ar direct", 5),
    _direct("aiko kenji", "kazoku_ja direct", 9, FAMILY),
    _direct("olga irina", "vdvoem_ru direct", 7),
    _direct("dmitri irina", "vdvoem_ru", 4.5, FAMILY),
    _direct("ben chidi", "direct", 8),
    _direct("ben maya", "direct", 5),
    _direct("chidi jonas", "direct", 3),
    _direct("hana grace", "direct", 8),
    _direct("hana irina", "direct", 5),
    _direct("hana amelie", "direct", 4),
    _direct("finn amelie", "direct", 7),
    _direct("finn tui", "direct", 5.5),
    _direct("aiko tui", "direct", 4),
    _direct("priya arjun", "direct", 6),
    _direct("arjun chidi", "direct", 3),
    _direct("grace lena", "direct", 5.5),
    _direct("rosa sven", "zu_zweit_de direct", 6),
    _direct("olga lena", "zu_zweit_de direct", 4),
    _direct("zeynep layla", "direct", 5),
    _direct("kenji sven", "direct", 3.5),
    _direct("mateo finn", "direct", 3),
    _direct("tomas wei", "work_direct direct", 4, WORK),
    _direct("rosa grace", "direct", 3.5),
]

PLOTS = [*_GROUPS, *_DIRECTS]
