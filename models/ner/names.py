"""Names that the sentences are filled with, and the way to make up more.

A seventh of each list is held out: it appears in the evaluation alone. Made-up names follow the letters of the lists
(chains of three letters) or are put together of syllables, so that the model cannot learn the lists by heart and has to look at
shape and context.
"""

import hashlib
import random
import re
from pathlib import Path

TEXT = (Path(__file__).resolve().parent / "lists.txt").read_text(encoding="utf-8")
SECTIONS = {head: body.split() for head, body in re.findall(r"^\[(\w+)\]\n(.*?)\n(?:\n|$)", TEXT, re.M | re.S)}

LEGAL = """Inc.|Inc|Ltd|Ltd.|GmbH|AG|Corp.|Corporation|LLC|plc|PLC|S.A.|SE|Group|Holdings|Holding|& Co.|& Sons|Partners|Brothers|Co|
International|NV|SpA""".replace("\n", "").split("|")
BRANCH = """Industries Software Systems Motors Airlines Airways Electronics Energy Foods Pharmaceuticals Technologies Pharma
Robotics Logistics Media Records Pictures Studios Publishing Press Insurance Capital Ventures Consulting Steel Mining Bank Oil
Chemicals Telecom Networks Semiconductors Biotech Labs Analytics Financial Railways Shipping Construction Retail Partners
Power Solar Gas Petroleum Aviation Aerospace Automotive Tobacco Breweries Brewing Textiles Cement Paper Gold Diamonds
Properties Estates Hotels Resorts Travel Tours Cruises Entertainment Games Interactive Digital Data Cloud Security Defence
Dynamics Instruments Devices Health Healthcare Medical Diagnostics Genetics Therapeutics Sciences Research Materials Glass
Plastics Rubber Tools Machines Engineering Architects Design Fashion Shoes Toys Furniture Kitchens Coffee Tea Chocolate Dairy
Bakeries Farms Wines Supermarkets Stores Markets Outlets Books Magazine Broadcasting Television Radio Films Communications Mobile
Wireless Satellite Space Launch Freight Express Couriers Trucks Bikes Cycles Trains Marine Shipyards""".split()
TEAM = """United City Rovers Wanderers Athletic FC Rangers Tigers Eagles Bears Lions Hawks Dynamos Giants Sharks Town County Albion
Hotspur Villa Kings Warriors Wolves Bulls Knights Stars Raiders Panthers Falcons Jets Saints Devils SC AFC Racing Sporting""".split()
CLUBS = "FC SC SV VfL TSV Real Dynamo Dinamo Spartak Lokomotiv Sporting Racing Atlético Olympique Borussia Eintracht AS AC CD Al".split()
FIELD = """Health Education Justice Defence Finance Agriculture Transport Energy Science Culture Labour Trade Commerce Tourism Fisheries
Environment Interior Economics Technology Housing Migration Statistics Aviation Foreign_Affairs Public_Works Social_Affairs Mines
Internal_Affairs Human_Rights Water Consumer_Protection Climate Sport Family_Affairs Information""".split()
FIELD = [name.replace("_", " ") for name in FIELD]
SUBJECT = "Physics Economics Medicine Technology Art Law Biology Chemistry Astronomy Music History Science Engineering Arts Design Business Philosophy Genetics Mathematics".split()
WHO = "Teachers Engineers Doctors Farmers Workers Journalists Lawyers Nurses Architects Writers Miners Pilots Bankers Students Scientists Women Children Consumers Tenants Chess Tennis Football Cycling".split()
BODY = "Association Union Federation Society Council Committee Institute Alliance League Authority Agency Commission Board Foundation Trust Fund Network Organisation Organization Coalition Initiative Forum Congress Chamber Guild Academy Movement Front Party".split()
PEOPLE = "National International European World Royal American British German Indian African Global Federal Central Asian Arab Pacific Nordic Canadian French".split()
PRESS = "Times Post News Herald Tribune Gazette Chronicle Journal Observer Telegraph Star Mail Mirror Courier Weekly Daily Examiner Standard Review Today Press Tageblatt Zeitung".split()
STREETS = "Street Road Avenue Lane Square Drive Boulevard Way Place Terrace Crescent Gate Row Hill Close".split()
BUILDINGS = """Bridge Park Tower Castle Palace Station Airport Cathedral Abbey Church Museum Library Theatre Stadium Arena Hall House
Hotel Gardens Market Prison Harbour Dam Zoo Observatory Cemetery Beach Pier Lighthouse Mall Plaza Gallery Opera Mosque Temple""".split()
NATURES = "Lake River Bay Valley Island Islands Mountains Hills Forest Desert Creek Falls Canyon Peninsula Glacier Strait Sea Canal Coast Pass Peak Plateau Reef".split()
ADJECTIVES = """Last Long Quiet Secret Silent Golden Broken Lost Hidden Red Black White Blue Green Dark Wild Old New Great Little Big Cold
Burning Empty Perfect Beautiful Strange Invisible Distant Second First Final Bitter Sweet Crooked Wooden Iron Glass Northern Endless
Forgotten Sleeping Dancing Laughing Falling Living Dead Young Good Bad American Eternal Unknown Brave Lonely""".split()
NOUNS = """House Garden River Night Day Summer Winter King Queen Road Sea Ship Train Window Door Letter Book Song Dance Game War Peace
Fire Water Stone Tree Bird Wolf Fox Horse Dog Cat Child Mother Father Daughter Son Brother Sister Soldier Doctor Teacher Stranger
Thief Murder Death Life Love Heart Shadow Light Star Moon Sun Sky Wind Storm Rain Snow Island Mountain City Street Bridge Tower
Castle Mirror Clock Key Box Ring Rose Apple Bread Wine Gold Silver Dream Memory Silence Hope Truth Lie Promise Journey Return
Kingdom Empire Crown Sword Wall Machine Century Year Hour Morning Evening Wedding Funeral Party School Station Museum Map Ocean""".split()
EVENTS = """Film Festival|Marathon|Grand Prix|Open|Cup|Biennale|Book Fair|Motor Show|Music Festival|Jazz Festival|Half Marathon|Carnival|Regatta|
Games|Air Show|Summit|Conference|Accord|Agreement|Treaty|Protocol|Convention|Declaration|Uprising|Massacre|Rebellion|Trials|
Championships|Classic|Derby|Trophy|Masters|Rally|Expo|Fashion Week|Pride|Forum""".replace("\n", "").split("|")
FEST = "Cup Trophy League Open Championship Championships Games Masters Classic Marathon Challenge Series Tournament Shield".split() + ["Grand Prix"]
PARTICLES = ["van ", "von ", "de ", "da ", "di ", "del ", "de la ", "van der ", "von der ", "al-", "Al-", "bin ", "El ",
    "Le ", "La ", "De ", "dos ", "St. ", "Van ", "zu ", "ter ", "Ben "]
GIVEN = {name: re.compile(text) for name, text in {
    "LOC": r"(United|U\.S\.|U\.K\.|UK$|USA$|UAE$|Netherlands|Philippines|Maldives|Bahamas|Gambia|Czech Rep|Soviet|Central African|Dominican Rep|"
           r"Republic of|Sahara|Kalahari|Atlantic|Pacific|Arctic( |$)|Indian O|Mediterranean|Adriatic|Bosphorus|Gobi|Namib$|Atacama|Mojave|Negev|"
           r"Serengeti|Okavango|Middle East|Balkans|Caribbean|Canary|Channel Is|Isle|Azores|Algarve|Midwest|Far East|Near East|Bay Area|Ruhr|"
           r"Falkland|Faroe|Hebrides|Galápagos|Gaza Strip|West Bank|Donbas|Peloponnese|Tower of|Louvre|Colosseum|Pantheon|Uffizi|Alhambra|"
           r"Prado|Reichstag|Acropolis|Parthenon|Hermitage|Kremlin|Great [WBP]a|Forbidden|Taj |Statue|Empire S|Bronx|Golden Gate|Brandenburg Gate|"
           r"Eiffel|Grand Canyon|Black Forest|Gulf of|Persian Gulf|Bay of|Strait|English Channel|South China|Sea of|Matterhorn|Zugspitze|Everglades|Moon$|Ardennes|Caucasus)"
           r"|( (Sea|Ocean|Canal|Mountains|Islands|Desert|River|Valley|Castle|Museum|Theatre|Cathedral|Strait|Coast|Bridge|Tower)$)",
    "ORG": r"(United N|European|University of|Ministry of|Department of|Bank of|Bundes|Red C|World |International|Supreme|High Court|Court|White House|"
           r"House of|Federal|Treasury|Pentagon|Kremlin|Senate|Congress|Knesset|Duma|Sejm|Foreign Office|Home Office|Security|General A|National|"
           r"Royal|British|US |Environment|Food and|Centers|Securities|Metropolitan|Met Off|Post Off|Stasi|Gestapo|Taliban|CIA|FBI|NSA|EU$|UN$|WHO$|"
           r"IMF|WTO|OECD|SPD|CDU|CSU|FDP|AfD|ANC|BJP|SEC$|FTC|FDA|EPA|CDC|IRS|KGB|FSB|NHS|ECB|Fed$|FA$|NBA|NFL|IOC|BBC|Guardian|Times$|Daily|"
           r"Independent|Sun$|Observer|Economist|Spectator|New Yor|Washington P|Financial|Wall Str|Associated|Lancet|Sorbonne|Juilliard|Max Pl|"
           r"Fraunhofer|Pasteur|Mayo|Salk|Catholic|Church|African|Arab|Labour P|Social|Christian|Communist|Liberal|Conservative|Republican|"
           r"Democrat|Green|Scottish|Salvation|Beatles|Rolling S|State Dep|Justice Dep|Marine|Coast G|Boston|Chicago|Los Ang|Tories|G7|G20)"
           r"|( (Association|Union|Federation|Society|Council|Committee|Institute|Alliance|Authority|Agency|Commission|Board|Foundation|Trust|Fund|"
           r"Museum|Hospital|Department|Post|Herald|Tribune|Gazette|Chronicle|Journal|Party|Group|Gallery|Orchestra|Court)$)",
    "MISC": r"(Battle|Treaty|World |Cold War|Civil|French R|Industrial|Renaissance|Champions|Premier|Bundesliga|Super|Tour|US O|Nobel|Pulitzer|Grammy|"
            r"Oscar|Golden|Academy|Booker|Turing|Bible|Koran|Quran|Talmud|Torah|Odyssey|Iliad|Titanic|American R|Russian|October|American Civ|"
            r"Spanish|Thirty|Hundred|First W|Second W|Korean|Iraq|Falk|Crimean|Six-|Boer|Napol|Arab S|Prague|Velvet|Orange|Boston|Black Death|Great [DF]|"
            r"Holocaust|Enlight|Reform|Middle|Bronze|Iron|Ice|Stone|Cuban|Berlin W|Blitz|Congress|Yalta|Marshall|Peace|Geneva|Paris|Oslo|Munich|Declar|Bill|"
            r"Universal|Patriot A|Affordable|Clean|European|Africa|Europa|FA |League|Davis|French O|Austr|Ryder|British|Giro|Stanley|NBA|Rose|Kentucky|Grand|"
            r"Ashes|Six|Rugby|Cricket|Common|Asian|Pan|Para|Summer|Winter|Olymp|Fields|Abel|Prix|Emmy|Tony|Palme|Silver|Ballon|Victoria C|Iron C|Purple|"
            r"Medal|Hugo|Mercury|Brit|MTV|Hubble|James W|Big Bang|Dow|DAX|FTSE|Nasdaq|Euro$|Mona|Orient|Enigma|Spitfire)"
            r"|( (Prize|Award|Medal|War|Revolution|Festival|Act|Marathon|Cup|Open|Treaty|Grand Prix|Summit|Agreement|Biennale|Trophy|Championships|Games)$)",
}.items()}  # fmt: skip


def held_out(name):
    """Whether a name of a list is for the evaluation alone."""
    return hashlib.sha256(name.encode()).digest()[0] % 7 == 0


def _lists(entries):
    names = list(dict.fromkeys(name.replace("_", " ") for name in entries))
    twice = names + names[: len(names) // 3]
    return [name for name in twice if not held_out(name)], [name for name in twice if held_out(name)]


LISTS = {name: _lists(entries) for name, entries in SECTIONS.items()}


class Chain:
    """Words in the manner of a list: each letter follows the two before it."""

    def __init__(self, words):
        self.next = {}
        for word in words:
            letters = "^^" + word + "$"
            for i in range(2, len(letters)):
                self.next.setdefault(letters[i - 2 : i], []).append(letters[i])

    def make(self, rng):
        while True:
            word = "^^"
            while not word.endswith("$") and len(word) < 16:
                word += rng.choice(self.next[word[-2:]])
            word = word[2:].rstrip("$")
            if 3 <= len(word) <= 12 and word[0].isupper():
                return word


CHAINS = {
    name: Chain([word for entry in LISTS[name][0] for word in entry.split() if word.isalpha() and word[0].isupper()])
    for name in ("first", "last", "city", "country", "region", "company", "product")
}
ONSETS = "b c d f g h j k l m n p r s t v w z br cr dr fr gr kr pr tr bl cl fl gl pl sl st sk sp sh ch th kh zh qu y x".split()
VOWELS = "a e i o u a e i o ai ei ou ia ee oo au ä ö ü é á í ó".split()
CODAS = ["", "", "", "", "n", "r", "l", "s", "t", "m", "k", "nd", "rt", "ck", "x", "ng", "v", "z", "sch", "tz", "h"]
GROUP = {
    "PER": "PER", "FULL": "PER", "FIRST": "PER", "LAST": "PER", "LOC": "LOC", "CITY": "LOC", "COUNTRY": "LOC", "REGION": "LOC",
    "NATURE": "LOC", "RIVER": "LOC", "BUILDING": "LOC", "STREET": "LOC", "ORG": "ORG", "COMPANY": "ORG", "GOV": "ORG",
    "NGO": "ORG",
    "PAPER": "ORG", "UNI": "ORG", "CLUB": "ORG", "MISC": "MISC", "ADJ": "MISC", "NAT": "MISC", "LANG": "MISC", "EVENT": "MISC",
    "SPORTS": "MISC", "PRIZE": "MISC", "WORK": "MISC", "PRODUCT": "MISC", "MACHINE": "MISC",
}  # fmt: skip


def takes_article(name, group):
    """Whether one says "the" before a name, in the midst of a sentence."""
    given = GIVEN.get(group)
    return bool(given and given.search(name)) and not name.startswith("The ")


class Names:
    """Draws entities: of the training's part of the lists and made-up ones, or of the part held out."""

    def __init__(self, rng: random.Random, test: bool):
        self.rng, self.test = rng, test

    def syllables(self):
        word = ""
        for _ in range(self.rng.choice([1, 2, 2, 2, 3, 3])):
            word += self.rng.choice(ONSETS) * (self.rng.random() < 0.9) + self.rng.choice(VOWELS) + self.rng.choice(CODAS)
        return word[0].upper() + word[1:] if len(word) > 2 else self.syllables()

    def of(self, name):
        if not self.test and name in CHAINS:
            kind = self.rng.random()
            if kind < (0.08 if name in ("country", "region", "product") else 0.24):
                return CHAINS[name].make(self.rng)
            if kind > 0.93:
                return self.syllables()
        return self.rng.choice(LISTS[name][self.test])

    def FIRST(self):
        first = self.of("first")
        return f"{first}-{self.of('first')}" if self.rng.random() < 0.02 else first

    def LAST(self):
        kind = self.rng.random()
        last = self.of("last")
        if kind < 0.05:
            return self.rng.choice(PARTICLES) + last
        if kind < 0.08:
            return f"{last}-{self.of('last')}"
        if kind < 0.1:
            return self.rng.choice(["Mc", "Mac", "O'", "D'", "Fitz"]) + last
        return last

    def FULL(self):
        first, last, initial = self.of("first"), self.LAST(), self.rng.choice("ABCDEFGHIJKLMNOPRSTVW")
        kind = self.rng.random()
        if kind < 0.84:
            return f"{first} {last}"
        return self.rng.choice([
            f"{first} {initial}. {last}", f"{initial}. {last}", f"{first} {self.of('first')} {last}",
            f"{initial}.{self.rng.choice('ABCDEFGJKLMR')}. {last}",
            f"{first} {last} {self.of('last')}", f"{first}-{self.of('first')} {last}", f"{self.of('last')} {first}",
        ])  # fmt: skip

    def PER(self):
        kind = self.rng.random()
        return self.FULL() if kind < 0.56 else self.LAST() if kind < 0.8 else self.FIRST()

    def CITY(self):
        kind = self.rng.random()
        if kind < 0.9 or self.test:
            return self.of("city")
        city, last, choose = self.of("city"), self.of("last"), self.rng.choice
        return choose([
            f"{choose(['New', 'San', 'Santa', 'Port', 'Fort', 'St.', 'Bad', 'Los', 'El', 'Mount', 'East', 'West', 'North', 'South', 'Upper', 'Old', 'Saint'])} {city}",
            f"{last}{choose(['ville', 'burg', 'town', 'ton', 'field', 'ford', 'bury', 'dorf', 'heim', 'stadt', 'grad', 'abad', 'pur', 'berg', 'ham'])}",
            f"{city}-{choose(['sur', 'am', 'on', 'upon', 'de'])}-{city}", f"{last} City", f"{last} Falls", f"{city}-{last}",
            f"{last} Springs",
        ])  # fmt: skip

    def COUNTRY(self):
        return self.of("country")

    def REGION(self):
        if self.rng.random() < 0.92 or self.test:
            return self.of("region")
        choose = self.rng.choice
        return choose([f"{choose(['North', 'South', 'East', 'West', 'New', 'Lower', 'Upper', 'Northern', 'Western'])} {self.of('region')}",
                       f"{self.of('last')} County", f"{self.of('city')} Province",
                       f"{self.of('last')} Peninsula"])  # fmt: skip

    def NATURE(self):
        if self.rng.random() < 0.6:
            return self.of("nature")
        last, city, choose = self.of("last"), self.of("city"), self.rng.choice
        return choose([f"Lake {choose([last, city])}", f"Mount {last}", f"{choose([last, city])} {choose(NATURES)}",
            f"Cape {last}", f"Gulf of {city}"])

    def RIVER(self):
        kind = self.rng.random()
        if kind < 0.7:
            return self.rng.choice([n for n in LISTS["nature"][self.test] if " " not in n])
        return self.syllables() if kind < 0.85 else f"River {self.of('last')}" if kind < 0.93 else f"{self.of('last')} River"

    def BUILDING(self):
        if self.rng.random() < 0.55:
            return self.of("building")
        return f"{self.of(self.rng.choice(['last', 'city', 'first']))} {self.rng.choice(BUILDINGS)}"

    def STREET(self):
        if self.rng.random() < 0.1:
            return f"{self.of('last')}{self.rng.choice(['straße', 'strasse', 'weg', 'platz', 'allee', 'gatan', 'straat'])}"
        return f"{self.of(self.rng.choice(['last', 'city', 'first']))} {self.rng.choice(STREETS)}"

    def LOC(self):
        kind = self.rng.random()
        if kind < 0.45:
            return self.CITY()
        if kind < 0.75:
            return self.COUNTRY()
        if kind < 0.87:
            return self.REGION()
        return self.NATURE() if kind < 0.93 else self.BUILDING() if kind < 0.98 else self.STREET()

    def acronym(self):
        return "".join(self.rng.choices("ABCDEFGHIKLMNOPRSTUVW", k=self.rng.choice([2, 3, 3, 3, 4])))

    def COMPANY(self):
        if self.rng.random() < 0.62:
            return self.of("company")
        company, last, city = self.of("company"), self.of("last"), self.of("city")
        choose = self.rng.choice
        return choose([
            f"{last} {choose(BRANCH)}", f"{company} {choose(LEGAL)}", f"{city} {choose(BRANCH)}",
            f"{company} {choose(BRANCH)}",
            f"{last} & {self.of('last')}", f"{last} {choose(BRANCH)} {choose(LEGAL)}", f"{last} {choose(LEGAL)}",
            f"{last} and {choose(['Sons', 'Partners', 'Company', self.of('last')])}",
            f"{choose(PEOPLE)} {choose(BRANCH)}", f"{choose(ADJECTIVES)} {choose(NOUNS)} {choose(BRANCH)}",
            f"{choose(NOUNS)}{choose(NOUNS).lower()}",
            f"{self.syllables()}{choose(['soft', 'tech', 'ware', 'net', 'com', 'corp', 'bank', 'gen', 'pharm', 'media', 'Tech', 'AI', 'Soft', 'Labs', '.com', 'ify', 'ly', 'io'])}",
            f"{self.acronym()}", f"{self.acronym()} {choose(BRANCH)}", f"{choose(NOUNS)}",
            f"{choose(PEOPLE)} {choose(['Oil', 'Electric', 'Motors', 'Steel', 'Airways', 'Foods', 'Gas', 'Mills'])} {choose(LEGAL)}",
            f"Bank of {city}", f"{company} {self.of('country')}",
            f"{city} {choose(['Stock Exchange', 'Savings Bank', 'Telecom', 'Water', 'Transport'])}",
            f"{self.of('last')}, {self.of('last')} & {self.of('last')}", f"{self.of('first')}'s",
            f"{self.of('first')}'s {choose(['Pizza', 'Burgers', 'Kitchen', 'Diner', 'Books'])}",
        ])  # fmt: skip

    def GOV(self):
        if self.rng.random() < 0.55:
            return self.of("gov")
        choose = self.rng.choice
        return choose([
            f"Ministry of {choose(FIELD)}", f"Department of {choose(FIELD)}", f"{choose(FIELD)} Ministry",
            f"{self.of('city')} City Council", f"{self.acronym()}",
            f"{choose(PEOPLE)} {choose(FIELD)} {choose(BODY)}", f"Bank of {self.of('country')}",
            f"{self.of('city')} Police Department", f"{self.of('city')} Police",
            f"{self.of('city')} District Court", f"{choose(FIELD)} {choose(BODY)}", f"Office of {choose(FIELD)}",
            f"{choose(PEOPLE)} {choose(['Court', 'Parliament', 'Army', 'Police', 'Bank', 'Assembly', 'Government Office'])}",
            f"{choose(['Labour', 'Liberal', 'Green', 'National', 'Freedom', 'Justice', 'Progress', 'Centre', 'Unity', 'Workers', 'Peoples'])} Party", f"{self.of('country')} Central Bank",
            f"{choose(['Justice', 'Defense', 'State', 'Treasury', 'Interior', 'Health', 'Labor', 'Commerce', 'Education', 'Agriculture'])} Department",
        ])  # fmt: skip

    def NGO(self):
        if self.rng.random() < 0.45:
            return self.of("ngo")
        choose = self.rng.choice
        return choose([
            f"{choose(PEOPLE)} {choose(WHO)} {choose(BODY)}",
            f"{choose(WHO)} {choose(['Without', 'Against', 'for'])} {choose(FIELD + NOUNS)}", f"{self.of('last')} Foundation",
            f"{choose(PEOPLE)} {choose(BODY)} of {choose(WHO)}", f"{choose(BODY)} for {choose(FIELD)}",
            f"{self.of('city')} Symphony Orchestra", f"{self.of('city')} Museum of {choose(SUBJECT)}",
            f"{self.of('city')} {choose(['Hospital', 'Zoo', 'Opera', 'Philharmonic', 'Ballet', 'Gallery', 'Theatre Company', 'Choir'])}", f"{choose(PEOPLE)} Red {choose(NOUNS)}",
            f"{choose(['Save the', 'Friends of the', 'Help the', 'Feed the'])} {choose(NOUNS)}s",
            f"St. {self.of('first')}'s Hospital", f"{choose(WHO)}' {choose(BODY)}",
            f"The {choose(ADJECTIVES)} {choose(NOUNS)}s",
            f"{self.acronym()}", f"{choose(SUBJECT)} {choose(BODY)} of {self.of('country')}",
        ])  # fmt: skip

    def PAPER(self):
        if self.rng.random() < 0.6:
            return self.of("paper")
        choose = self.rng.choice
        return choose([f"{self.of('city')} {choose(PRESS)}"] * 3 + [f"Daily {choose(PRESS)}",
            f"{choose(NOUNS)} {choose(['Magazine', 'Weekly', 'Monthly', 'FM', 'TV', 'News'])}", f"Radio {self.of('city')}",
                       f"{self.acronym()} News", f"{choose(PEOPLE)} {choose(PRESS)}", f"Journal of {choose(SUBJECT)}",
                       f"{choose(NOUNS)}", f"Le {choose(PRESS)}", f"{self.acronym()}"])  # fmt: skip

    def UNI(self):
        if self.rng.random() < 0.35:
            return self.of("uni")
        choose, city, last = self.rng.choice, self.of("city"), self.of("last")
        return choose([
            f"University of {city}", f"University of {city}", f"University of {self.of('region')}", f"{city} University",
            f"{last} University", f"{city} Institute of {choose(SUBJECT)}", f"{last} Institute",
            f"{last} College", f"{city} State University", f"Technical University of {city}",
            f"{city} School of {choose(SUBJECT)}", f"{self.of('region')} State",
            f"{choose(PEOPLE)} Academy of {choose(SUBJECT)}s",
            f"{last} Institute for {choose(SUBJECT)}", f"{last} Laboratory", f"University of {choose(SUBJECT)}",
            f"{city} Business School", f"{last} High School", f"{last} Research Centre", f"St. {self.of('first')}'s College",
        ])  # fmt: skip

    def CLUB(self):
        kind = self.rng.random()
        if kind < 0.45:
            return self.of("club")
        if kind < 0.62:
            return self.of("city")
        choose, city = self.rng.choice, self.of("city")
        return choose([f"{city} {choose(TEAM)}", f"{city} {choose(TEAM)}", f"{choose(CLUBS)} {city}",
            f"{city} {choose(NOUNS)}s", self.of("last")])

    def ORG(self):
        kind = self.rng.random()
        if kind < 0.5:
            return self.COMPANY()
        if kind < 0.66:
            return self.GOV()
        if kind < 0.75:
            return self.NGO()
        return self.PAPER() if kind < 0.83 else self.UNI() if kind < 0.93 else self.CLUB()

    def ADJ(self):
        """A nationality, before a noun."""
        while (name := self.of("nationality")).endswith("ns") or name.endswith("s") and not name.endswith(("ss", "us")):
            pass
        return name

    def NAT(self):
        return self.of("nationality")

    def LANG(self):
        return self.of("language")

    def EVENT(self):
        if self.rng.random() < 0.7:
            return self.of("event")
        city, choose = self.of("city"), self.rng.choice
        return choose([f"Battle of {city}", f"Treaty of {city}", f"{city} {choose(EVENTS)}", f"{choose(FIELD)} Act",
            f"{self.of('country')} War", f"Siege of {city}", f"{self.of('last')} Act",
                       f"Peace of {city}", f"{choose(ADJECTIVES)} Revolution", f"Feast of {self.of('first')}",
                       f"Council of {city}", f"{choose(PEOPLE)} {choose(WHO)} Congress",
                       f"Operation {choose(NOUNS)}"])  # fmt: skip

    def SPORTS(self):
        if self.rng.random() < 0.65:
            return self.of("sports")
        choose = self.rng.choice
        return choose([f"{self.of('city')} {choose(FEST)}", f"{choose(PEOPLE)} {choose(FEST)}",
            f"{self.of('last')} {choose(FEST)}", f"{self.of('country')} {choose(FEST)}", f"Tour of {self.of('country')}"])

    def PRIZE(self):
        if self.rng.random() < 0.6:
            return self.of("prize")
        choose, last = self.rng.choice, self.of("last")
        return choose([f"{last} Prize", f"{last} Award", f"{last} Medal", f"{last} Prize for {choose(SUBJECT)}",
            f"{choose(ADJECTIVES)} {choose(NOUNS)} Award", f"Order of {self.of('last')}", f"{self.of('city')} Prize",
                       f"Nobel Prize for {choose(SUBJECT)}"])  # fmt: skip

    def WORK(self):
        if self.rng.random() < 0.4:
            return self.of("work")
        choose, kind = self.rng.choice, self.rng.random()
        noun, adjective = choose(NOUNS), choose(ADJECTIVES)
        return choose([
            f"The {adjective} {noun}", f"The {noun}", f"{noun} of {choose(NOUNS)}", f"The {noun} of the {choose(NOUNS)}",
            f"{adjective} {noun}", f"A {noun} for {self.of('first')}", f"{self.of('first')}", self.of("first"),
            f"The {noun} and the {choose(NOUNS)}", f"{adjective} {noun}s", f"The {noun} from {self.of('city')}",
            f"The {noun}'s {choose(NOUNS)}", f"{noun} in {self.of('city')}", f"{noun}", f"{self.of('city')} {noun}",
            f"{self.of('first')} and {self.of('first')}", f"My {adjective} {noun}", f"Symphony No. {choose('123456789')}",
            f"The {self.of('last')} {noun}", f"{noun} {choose(['II', 'III', '2', '3', '4'])}",
            f"Waiting for {self.of('first')}",
            f"No {noun} for {adjective} {choose(NOUNS)}s", self.of("last") if kind < 0.5 else self.syllables(),
        ])  # fmt: skip

    def PRODUCT(self):
        if self.rng.random() < 0.55:
            return self.of("product")
        choose, word = self.rng.choice, self.of("product").split()[0]
        number = choose(["2", "3", "4", "5", "6", "7", "8", "10", "12", "15", "20", "100", "300", "500", "2000", "X", "XL",
            "Pro", "Max", "Plus", "Mini", "S", "SE", "Ultra", "II", "III"])
        letters = choose("ABCDEFGHJKLMRSTVXZ")
        return choose([f"{word} {number}", f"{word} {number}", f"{letters}{number}",
            f"{letters}-{choose('123456789')}{choose('0123456789')}", f"{self.syllables()} {number}", self.syllables(),
            f"{choose(NOUNS)} {number}",
                       f"{self.of('company')} {number}", f"{self.of('company')} {self.syllables()}",
                       f"{self.syllables()}{choose(['Book', 'Pad', 'Phone', 'Pod', 'Box', 'OS', 'DB', 'Script', 'SQL', 'Lang', 'Kit', 'JS'])}", f"Model {letters}"])  # fmt: skip

    def MACHINE(self):
        choose = self.rng.choice
        kind = choose(["Engine", "Machine", "Telescope", "Computer", "Clock", "Rocket", "Bomb", "Mechanism", "Collider", "Reactor"])
        word = choose([choose(ADJECTIVES), choose(NOUNS), self.of("last"), self.of("city"), self.syllables()])
        if self.rng.random() < 0.3:
            word = self.syllables() + choose(["al", "ical", "ic", "ial", "ary", "ential", "atic"])
        return f"{word} {kind}"

    def MISC(self):
        kind = self.rng.random()
        if kind < 0.35:
            return self.NAT()
        if kind < 0.5:
            return self.EVENT()
        return self.SPORTS() if kind < 0.6 else self.PRIZE() if kind < 0.68 else self.WORK() if kind < 0.84 else self.PRODUCT()
