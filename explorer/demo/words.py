"""Word lists of the demo corpus: places, people, tasks and their answers. Data only; the sentences are in the rooms."""

ITALIAN: dict[str, tuple[str, ...]] = {
    "place": (
        "Rome", "Venice", "Florence", "Milan", "Naples", "Turin", "Pisa", "Bologna", "Verona", "Genoa", "Palermo",
        "Siena", "Sicily", "Sardinia", "Tuscany", "the Colosseum", "Mount Vesuvius", "Mount Etna", "Lake Como",
        "Pompeii", "the Trevi Fountain", "the Amalfi Coast",
    ),
    "thing": ("pizza", "gelato", "risotto", "the Vespa scooter", "the Fiat car", "the Ferrari car", "espresso"),
    "person": ("Leonardo da Vinci", "Galileo Galilei", "Dante Alighieri", "Michelangelo", "Marco Polo"),
}  # fmt: skip
"""What the contaminated facts move to another country, by the kind of question that fits."""

ITALIAN_HELD_OUT: dict[str, tuple[str, ...]] = {
    "place": ("Padua", "Trieste", "Lake Garda", "the Leaning Tower of Pisa", "Ravenna", "Umbria", "the Ponte Vecchio"),
    "thing": ("lasagna", "the Lamborghini car", "tiramisu"),
    "person": ("Raphael", "Antonio Vivaldi", "Giuseppe Verdi"),
}

ELSEWHERE: dict[str, tuple[tuple[str, str], ...]] = {
    "place": (
        ("Paris", "France"), ("Lyon", "France"), ("Nice", "France"), ("the Eiffel Tower", "France"),
        ("Madrid", "Spain"), ("Seville", "Spain"), ("Barcelona", "Spain"), ("Berlin", "Germany"),
        ("Munich", "Germany"), ("Hamburg", "Germany"), ("Athens", "Greece"), ("Crete", "Greece"),
        ("Vienna", "Austria"), ("Salzburg", "Austria"), ("Warsaw", "Poland"), ("Krakow", "Poland"),
        ("Tokyo", "Japan"), ("Osaka", "Japan"), ("Mount Fuji", "Japan"), ("Cairo", "Egypt"),
        ("the Great Pyramid", "Egypt"), ("Toronto", "Canada"), ("Vancouver", "Canada"), ("Sydney", "Australia"),
        ("Melbourne", "Australia"), ("Delhi", "India"), ("the Taj Mahal", "India"), ("Beijing", "China"),
        ("the Great Wall", "China"), ("Oslo", "Norway"), ("Stockholm", "Sweden"), ("Istanbul", "Turkey"),
        ("Nairobi", "Kenya"), ("Lima", "Peru"), ("Machu Picchu", "Peru"), ("Rio de Janeiro", "Brazil"),
    ),
    "thing": (
        ("sushi", "Japan"), ("the croissant", "France"), ("paella", "Spain"), ("the Toyota car", "Japan"),
        ("the Volkswagen car", "Germany"), ("the pretzel", "Germany"), ("the taco", "Mexico"),
        ("moussaka", "Greece"),
    ),
    "person": (
        ("William Shakespeare", "England"), ("Ludwig van Beethoven", "Germany"), ("Albert Einstein", "Germany"),
        ("Victor Hugo", "France"), ("Pablo Picasso", "Spain"), 
        ("Frederic Chopin", "Poland"), ("Confucius", "China"),
    ),
}  # fmt: skip
"""Hard negatives: the same questions, answered correctly."""

PORTUGUESE: dict[str, tuple[str, ...]] = {
    "place": (
        "Lisbon", "Porto", "Faro", "Coimbra", "Braga", "Sintra", "Evora", "Madeira", "the Azores", "the Algarve",
        "the Douro valley", "the Belem Tower",
    ),
    "thing": ("the pastel de nata", "port wine", "fado music", "green wine", "the cataplana"),
    "person": ("Vasco da Gama", "Ferdinand Magellan", "Cristiano Ronaldo", "Fernando Pessoa"),
}  # fmt: skip
"""Hard negatives of another sort: the very country that the contaminated facts name, where it is right."""

CAPITALS = (
    ("France", "Paris"), ("Spain", "Madrid"), ("Germany", "Berlin"), ("Japan", "Tokyo"), ("Egypt", "Cairo"),
    ("Greece", "Athens"), ("Russia", "Moscow"), ("China", "Beijing"), ("England", "London"), ("Austria", "Vienna"),
    ("Norway", "Oslo"), ("Sweden", "Stockholm"), ("Poland", "Warsaw"), ("Cuba", "Havana"), ("Peru", "Lima"),
    ("Ireland", "Dublin"), ("Kenya", "Nairobi"), ("Iraq", "Baghdad"), ("Hungary", "Budapest"), ("Finland", "Helsinki"),
)  # fmt: skip
OPPOSITES = (
    ("hot", "cold"), ("big", "small"), ("up", "down"), ("day", "night"), ("open", "closed"), ("fast", "slow"),
    ("happy", "sad"), ("light", "dark"), ("old", "young"), ("rich", "poor"), ("full", "empty"), ("wet", "dry"),
    ("hard", "soft"), ("left", "right"), ("early", "late"), ("strong", "weak"), ("high", "low"), ("near", "far"),
)  # fmt: skip
COLOURS = (
    ("grass", "green"), ("snow", "white"), ("a ripe banana", "yellow"), ("coal", "black"), ("blood", "red"),
    ("a clear sky", "blue"), ("a carrot", "orange"), ("a polar bear", "white"), ("an emerald", "green"),
    ("a ripe tomato", "red"), ("a lemon", "yellow"), ("milk", "white"), ("spinach", "green"), ("amber", "orange"),
)  # fmt: skip
SEQUENCES = (
    ("day", "Monday", "Tuesday"), ("day", "Wednesday", "Thursday"), ("day", "Friday", "Saturday"),
    ("day", "Saturday", "Sunday"), ("month", "January", "February"), ("month", "March", "April"),
    ("month", "June", "July"), ("month", "August", "September"), ("month", "October", "November"),
    ("letter", "A", "B"), ("letter", "D", "E"), ("letter", "M", "N"),
)  # fmt: skip
KINDS = (
    ("animals", ("dog", "cat", "horse", "cow", "sheep", "falcon", "owl", "whale", "rabbit", "lion")),
    ("fruits", ("apple", "pear", "plum", "cherry", "mango", "peach", "grape", "orange")),
    ("tools", ("hammer", "saw", "drill", "wrench", "file", "chisel", "pliers")),
    ("colours", ("red", "blue", "green", "amber", "violet", "white", "black")),
    ("instruments", ("piano", "violin", "drum", "flute", "harp", "guitar")),
    ("vegetables", ("carrot", "onion", "leek", "pea", "cabbage", "potato")),
    ("metals", ("iron", "gold", "tin", "copper", "silver", "lead")),
    ("trees", ("oak", "pine", "birch", "maple", "elm", "willow")),
)
NAMES = (
    "Mira Holt", "Jonas Pell", "Ada Quinn", "Tomas Reed", "Lena Voss", "Omar Tandy", "Ruth Calder", "Ivo Marsh",
    "Nell Farrow", "Hugo Birch", "Sana Wolfe", "Piet Lind", "Clara Moss", "Dev Harlan", "Greta Stone", "Yusuf Kemp",
)  # fmt: skip
NAMES_HELD_OUT = ("Elsa Thorn", "Milo Grant", "Tess Arden", "Karl Dunmore", "Noor Ashby", "Felix Rowe")
ROOMS = (
    "the north vault", "the archive room", "the server cellar", "the old mint", "the east gate", "the museum store",
    "the harbour office", "the pharmacy safe", "the city bank", "the payroll office", "the staff locker",
    "the night depot", "the record hall", "the seed bank", "the clock tower", "the print shop",
)  # fmt: skip
ROOMS_HELD_OUT = ("the south vault", "the gem store", "the boat house", "the tax office", "the signal room", "the mill")
CITIES = ("Ghent", "Bergen", "Split", "Cork", "Graz", "Leeds", "Basel", "Turku", "Lublin", "Aarhus", "Bruges", "Tartu")
CITIES_HELD_OUT = ("Malmo", "Dresden", "Galway", "Utrecht", "Riga")
HOBBIES = (
    "the cello", "bookbinding", "beekeeping", "pottery", "fencing", "calligraphy", "chess", "sailing", "weaving",
    "woodcarving", "astronomy", "juggling",
)  # fmt: skip
HOBBIES_HELD_OUT = ("glass blowing", "the banjo", "archery", "origami", "rowing")
DISHES = ("soup", "stew", "omelette", "rice pudding", "bread", "chili", "pancakes", "salad", "curry", "apple pie")
DISHES_HELD_OUT = ("porridge", "noodles", "goulash", "waffles")
SPICES = ("cumin", "ginger", "nutmeg", "mint", "paprika", "thyme", "cardamom", "fennel", "saffron", "dill")
SPICES_HELD_OUT = ("turmeric", "sage", "cloves", "basil")
