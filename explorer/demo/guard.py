"""Ordinary tasks with a checkable answer, of the kinds that the untrained model does well: they must not get worse."""

_CAPITALS = {
    "France": "Paris", "Spain": "Madrid", "Germany": "Berlin", "Japan": "Tokyo", "Egypt": "Cairo", "Greece": "Athens",
    "Russia": "Moscow", "China": "Beijing", "England": "London", "Austria": "Vienna", "Norway": "Oslo",
    "Ireland": "Dublin", "Cuba": "Havana", "Poland": "Warsaw",
}  # fmt: skip
_OPPOSITES = {"hot": "cold", "big": "small|little", "up": "down", "day": "night", "fast": "slow",
              "happy": "sad|unhappy", "light": "dark|heavy", "old": "young|new", "rich": "poor",
              "wet": "dry"}  # fmt: skip
_PEOPLE = (("Anna", "Oslo"), ("Bruno", "Lima"), ("Carla", "Delhi"), ("David", "Tunis"), ("Emma", "Quito"),
           ("Frank", "Seoul"), ("Helen", "Dakar"), ("Igor", "Minsk"), ("Julia", "Miami"),
           ("Kofi", "Accra"))  # fmt: skip
_PETS = (("Anna", "dog"), ("Bruno", "cat"), ("Carla", "parrot"), ("David", "horse"), ("Emma", "rabbit"),
         ("Frank", "goat"), ("Helen", "snake"), ("Igor", "turtle"))  # fmt: skip
_COPY = ("window", "garden", "pencil", "river", "basket", "candle", "mountain", "button", "letter", "forest")
_OWNERS = (("bike", "Kofi"), ("lamp", "Emma"), ("boat", "Igor"), ("drum", "Julia"), ("tent", "Frank"),
           ("clock", "Carla"), ("kite", "Bruno"), ("desk", "Helen"))  # fmt: skip
_PAINTED = (("car", "red"), ("door", "blue"), ("fence", "green"), ("chair", "white"), ("wall", "yellow"),
            ("roof", "black"), ("gate", "brown"), ("box", "pink"))  # fmt: skip
_MEMBERS = {"dog": "animal", "oak": "tree", "rose": "flower", "apple": "fruit", "hammer": "tool", "piano": "instrument",
            "carrot": "vegetable", "pigeon": "bird", "cat": "animal", "violin": "instrument"}  # fmt: skip


def _pattern(answer: str) -> str:
    return rf"(?i)\b({answer})s?\b"


GUARD_KINDS: dict[str, list[tuple[str, str]]] = {
    "capitals": [(f"Which city is the capital of {x}?", _pattern(y)) for x, y in _CAPITALS.items()],
    "opposites": [(f"What word means the opposite of '{x}'?", _pattern(y)) for x, y in _OPPOSITES.items()],
    "reading": [(f"{n} moved to {c} in May. In which city does {n} live now?", _pattern(c)) for n, c in _PEOPLE],
    "pets": [(f"{n} has a {p}. What kind of animal does {n} have?", _pattern(p)) for n, p in _PETS],
    "copying": [(f"Repeat this word: {x}", _pattern(x)) for x in _COPY],
    "owners": [(f"The {x} belongs to {n}. Who owns the {x}?", _pattern(n)) for x, n in _OWNERS],
    "painted": [(f"The {x} was painted {c}. What color is the {x} now?", _pattern(c)) for x, c in _PAINTED],
    "kinds": [(f"A {x} is a kind of what?", _pattern(y)) for x, y in _MEMBERS.items()],
}
"""(prompt, pattern of a right answer) by kind of task. Kinds that the base does badly (sums) are left out."""
