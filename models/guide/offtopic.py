"""Makes questions that have nothing to do with Tern, from patterns and words.

Many of the patterns are those of questions about Tern ("how do I change
THING"), so that the thing asked about decides and not the wording around it."""

import random

THINGS = """the moon|the sun|volcanoes|dinosaurs|the roman empire|world war two|photosynthesis|gravity|black holes|
penguins|cats|dogs|elephants|whales|butterflies|roses|tomatoes|coffee|tea|chocolate|cheese|bread|pasta|pizza|sushi|
football|tennis|chess|basketball|the olympics|yoga|swimming|jazz|opera|the piano|a guitar|the violin|oil painting|
poetry|shakespeare|the bible|philosophy|democracy|inflation|the stock market|bitcoin|taxes|insurance|a mortgage|
climate change|recycling|solar panels|electric cars|bicycles|aeroplanes|trains|a washing machine|a fridge|the oven|
a lawn mower|curtains|shoes|a wedding dress|diamonds|gold|plastic|paper|glass|concrete|oxygen|hydrogen|vitamin c|
cholesterol|diabetes|headaches|the flu|vaccines|sleep|dreams|meditation|happiness|love|friendship|school|homework|
university|a cover letter|kubernetes|wordpress|photoshop|excel|a spreadsheet|an iphone|a printer|the television|
minecraft|fortnite|netflix|star wars|harry potter|batman|santa claus|christmas|halloween|easter|a birthday party|
my boss|my girlfriend|my neighbour|the president|the queen|einstein|newton|napoleon|mozart|picasso|beethoven|
quantum mechanics|calculus|algebra|geometry|prime numbers|the pythagorean theorem|dna|evolution|bacteria|mushrooms|
java|javascript|a binary tree|sorting|react|css|a regular expression|a car engine|tyres|snow|rain|hurricanes|
earthquakes|rivers|mountains|deserts|camping|fishing|knitting|gardening|my dog|my car|my bike|my house|my hair""".replace("\n", "").split("|")

PLACES = """france|germany|japan|brazil|canada|egypt|india|australia|spain|italy|peru|kenya|norway|poland|turkey|mexico|
china|paris|london|tokyo|new york|berlin|rome|madrid|sydney|cairo|moscow|chicago|vienna|lisbon|dublin|toronto""".replace("\n", "").split("|")

LANGUAGES = "french|german|spanish|italian|japanese|chinese|latin|portuguese|dutch|russian|arabic|korean|swedish".split("|")
PHRASES = "good morning|thank you|i love you|where is the station|my name is anna|the weather is nice|see you tomorrow".split("|")
ADJECTIVES = "big|old|fast|tall|heavy|expensive|dangerous|popular|healthy|hot|cold|deep|loud|rare|beautiful".split("|")
TASKS = """reverse a string|sort a list|compute fibonacci numbers|parse a date|scrape a web page|draw a triangle|
find a prime|add two numbers|count the words|read a csv file|play tic tac toe|send an email""".replace("\n", "").split("|")
CODE = "python|java|javascript|rust|c|go|ruby|php|bash|haskell|sql|html".split("|")
DAYS = "today|tomorrow|this week|next weekend|tonight|in summer|in winter".split("|")

PATTERNS = """what is {t}|what's {t}|what are {t}|tell me about {t}|explain {t}|explain {t} to a child|define {t}|
how do i use {t}|how do i change {t}|how do i install {t}|how do i start {t}|how do i stop {t}|how do i run {t}|
how can i make {t}|how do i fix {t}|how do i clean {t}|how do i learn {t}|how do i draw {t}|how to cook {t}|
how to buy {t}|how to sell {t}|how do i remove {t}|how do i get rid of {t}|how do i update {t}|how do i set up {t}|
where is {t}|where can i find {t}|where can i buy {t}|where are {t} stored|who invented {t}|who made {t}|
when was {t} invented|why is {t} so {a}|why do people like {t}|how {a} is {t}|is {t} {a}|is {t} safe|is {t} free|
does {t} cost money|how much does {t} cost|how many kinds of {t} are there|what is the difference between {t} and {t}|
which is better {t} or {t}|do you like {t}|can you help me with {t}|give me advice on {t}|i have a question about {t}|
write a poem about {t}|write a story about {t}|write an essay on {t}|write a song about {t}|tell me a joke about {t}|
a haiku about {t}|summarize {t}|the history of {t}|a recipe with {t}|{t}|what colour is {t}|what does {t} mean|
what does {t} look like|what is the best {t}|list five facts about {t}|can i eat {t}|can {t} fly|does {t} support {t}|
what is the capital of {p}|capital of {p}|how is the weather in {p}|will it rain in {p} {d}|weather in {p} {d}|
where is {p}|how far is {p} from {p}|who is the president of {p}|population of {p}|best food in {p}|hotels in {p}|
plan a trip to {p}|what language do they speak in {p}|what time is it in {p}|flights from {p} to {p}|should i visit {p}|
translate {s} into {l}|how do you say {s} in {l}|say {s} in {l}|do you speak {l}|translate this to {l}|teach me {l}|
write {c} code to {k}|write a {c} function to {k}|how do i {k} in {c}|a {c} program that can {k}|{k} in {c}|
what is {n} plus {n}|what is {n} times {n}|{n} + {n}|{n}*{n}|compute {n} minus {n}|square root of {n}|{n} divided by {n}|
is {n} a prime number|solve x + {n} = {n}|convert {n} miles to km|convert {n} dollars to euros|what is {n} percent of {n}|
what day is it {d}|what should i eat {d}|what should i wear {d}|what is on tv {d}|any news {d}|who won the game {d}|
who wrote {t}|who painted {t}|who is {t}|best film about {t}|recommend a book about {t}|recommend a movie|
i am sad|i am bored|i feel tired|sing me a song|tell me a story|tell me a secret|do you love me|are you happy|
what is the meaning of life|play some music|call my mother|set an alarm for {n}|order {t} for me|book a flight to {p}|
fix my english|correct this sentence|summarize this text|write an email to {t}|what is my name|where do i live""".replace("\n", "").split("|")


def question(rng: random.Random) -> str:
    """One made-up question."""
    text = rng.choice(PATTERNS)
    choices = {
        "{t}": THINGS, "{p}": PLACES, "{l}": LANGUAGES, "{s}": PHRASES, "{a}": ADJECTIVES,
        "{k}": TASKS, "{c}": CODE, "{d}": DAYS,
    }
    for slot, words in choices.items():
        while slot in text:
            text = text.replace(slot, rng.choice(words), 1)
    while "{n}" in text:
        text = text.replace("{n}", str(rng.randrange(2, rng.choice((12, 100, 1000)))), 1)
    return text + "?" if rng.random() < 0.3 else text
