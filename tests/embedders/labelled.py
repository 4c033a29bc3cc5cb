"""Questions, and the sentence that answers each, by what they mean: few of them share a word. Written for this project."""

PAIRS = [
    ("how do I get my money back", "Refunds are paid to the card that was charged within five days."),
    ("my package has not arrived", "Parcels that are late can be traced with the shipping number."),
    ("I forgot my password", "Reset the credentials of your account from the sign-in page."),
    ("can my dog come along", "Pets are welcome in all rooms of the hotel for a small fee."),
    ("what will the weather be", "Tomorrow's forecast is rain in the morning and sun after noon."),
    ("cheap flights to Spain", "Low airfares to Madrid and Barcelona start at forty euros."),
    ("the car does not start", "If the engine will not turn over, check the vehicle's battery."),
    ("pain in my head", "A headache often passes after a glass of water and some rest."),
    ("who wrote Hamlet", "Shakespeare was the author of the tragedy of the Danish prince."),
    ("vegetarian dinner ideas", "Recipes without meat: lentil curry, mushroom risotto, bean stew."),
    ("learn to play guitar", "Music lessons for beginners on string instruments begin in May."),
    ("how tall is the highest mountain", "Everest rises 8,849 metres above the sea."),
    ("cancel my subscription", "You may end your membership at any time before the next month."),
    ("job interview advice", "Before you meet an employer, prepare answers about your career."),
    ("the baby does not sleep", "Infants wake often at night during their first months."),
    ("how to lose weight", "Eating less sugar and exercise every day reduce body fat."),
    ("buy a house", "A mortgage helps families to purchase a home of their own."),
    ("speed up my laptop", "A slow computer gains from more memory and a solid state drive."),
    ("bank robbery", "Thieves stole cash from the vault of a savings institution."),
    ("stars and planets", "Astronomy is the science of celestial bodies and the universe."),
    ("my phone's screen is broken", "Cracked displays of mobile devices are repaired while you wait."),
    ("plants for a dark room", "Ferns and ivy grow well with little sunlight indoors."),
    ("history of Rome", "The ancient empire was ruled by Caesar and those after him."),
    ("how to make bread", "Mix flour, yeast and water, and bake the dough in a hot oven."),
]


def places(embed: object) -> list[int]:
    """For each question, which place its answer takes among all of them by cosine; 1 is the first."""
    assert callable(embed)
    asked, told = embed([question for question, _ in PAIRS]), embed([answer for _, answer in PAIRS])
    found = []
    for at, one in enumerate(asked):
        scores = [sum(x * y for x, y in zip(one, other, strict=True)) for other in told]
        found.append(1 + sum(score > scores[at] for score in scores))
    return found


def reciprocal(found: list[int]) -> float:
    """The mean reciprocal rank."""
    return sum(1 / place for place in found) / len(found)
