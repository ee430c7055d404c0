"""The people of the demo: who they are, what they speak and how they write."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a handle, a display name and habits.

    `called` is what others say to them, by language where it differs. `languages` are those they
    write besides English. A `voice` is how their English looks: `plain`, `lower` (no capitals, no
    full stops), `bright` (an emoji now and then), `loud` (exclamation marks); `machine` is that of
    somebody who only says what a script has for them.
    """

    handle: str
    name: str
    called: str
    languages: frozenset[str] = frozenset()
    called_in: dict[str, str] = field(default_factory=dict, hash=False)
    voice: str = "plain"

    def speaks(self, language: str) -> bool:
        """Whether they take part in a conversation in this language."""
        return language == "en" or language in self.languages

    def addressed(self, language: str) -> str:
        """Return their name as it is said in a language."""
        return self.called_in.get(language, self.called)


def _person(
    handle: str, name: str, called: str, languages: str = "", *, voice: str = "plain", **said: str
) -> Person:
    return Person(handle, name, called, frozenset(languages.split()), said, voice)


PEOPLE = [
    _person("maya", "Maya Lindqvist", "Maya", "de"),
    _person("yusuf", "Yusuf Demir", "Yusuf", "de"),
    _person("tomas", "Tomás Herrera", "Tomás", "es", voice="lower"),
    _person("nadia", "Nadia Haddad", "Nadia", "ar", ar="نادية"),
    _person("aiko", "田辺 愛子", "Aiko", "ja", voice="bright", ja="愛子"),
    _person("olga", "Ольга Смирнова", "Olga", "ru de", ru="Оля"),
    _person("priya", "Priya Raghavan", "Priya", voice="bright"),
    _person("wei", "Wei Zhang", "Wei", voice="lower"),
    _person("dmitri", "Дмитрий Волков", "Dmitri", "ru", voice="lower", ru="Дима"),
    _person("ben", "Ben Okafor", "Ben", voice="loud"),
    _person("chidi", "Chidinma Eze", "Chidi", voice="loud"),
    _person("grace", "Grace Mwangi", "Grace"),
    _person("hana", "Hana Kim", "Hana", voice="lower"),
    _person("irina", "Ирина Волкова", "Irina", "ru de", ru="Ира"),
    _person("finn", "Finn O’Sullivan", "Finn", voice="loud"),
    _person("amelie", "Amélie Laurent", "Amélie", voice="bright"),
    _person("tui", "Tui Parata", "Tui"),
    _person("lena", "Lena Vogt", "Lena", "de"),
    _person("jonas", "Jonas Vogt", "Jonas", "de", voice="lower"),
    _person("zeynep", "Zeynep Demir", "Zeynep", "de", voice="bright"),
    _person("rosa", "Rosa Kowalczyk", "Rosa", "de"),
    _person("sven", "Sven Åkesson", "Sven", "de"),
    _person("arjun", "Arjun Mehta", "Arjun", voice="lower"),
    _person("sofia", "Sofía Herrera", "Sofía", "es", voice="bright"),
    _person("carmen", "Carmen Ruiz", "Carmen", "es", es="mamá"),
    _person("mateo", "Mateo Herrera", "Mateo", "es", voice="lower"),
    _person("layla", "ليلى حداد", "Layla", "ar", voice="bright", ar="ليلى"),
    _person("karim", "كريم حداد", "Karim", "ar", ar="كريم"),
    _person("kenji", "田辺 健二", "Kenji", "ja", ja="健二"),
    _person("pager", "Pager", "Pager", voice="machine"),
]

BY_HANDLE = {person.handle: person for person in PEOPLE}

# Shown with the password at the end: people whose lists of chats differ.
SHOWN = ["maya", "ben", "hana", "tomas", "nadia", "aiko"]
