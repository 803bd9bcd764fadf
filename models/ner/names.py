"""Names that the sentences are filled with, and the way to make up more.

A seventh of each list is held out: it appears in the evaluation alone. Made-up names follow the letters of the lists
(chains of three letters), so that the model cannot learn the lists by heart and has to look at shape and context.
"""

import hashlib
import random

FIRST = """
James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard Susan Joseph Jessica
Thomas Sarah Charles Karen Christopher Lisa Daniel Nancy Matthew Betty Anthony Sandra Mark Margaret Donald Ashley
Steven Kimberly Andrew Emily Paul Donna Joshua Michelle Kenneth Carol Kevin Amanda Brian Melissa George Deborah Timothy
Stephanie Ronald Rebecca Edward Laura Jason Sharon Jeffrey Cynthia Ryan Kathleen Jacob Amy Gary Angela Nicholas Shirley
Eric Anna Jonathan Brenda Stephen Pamela Larry Emma Justin Nicole Scott Helen Brandon Samantha Benjamin Katherine Samuel
Christine Gregory Debra Alexander Rachel Frank Carolyn Patrick Janet Raymond Catherine Jack Maria Dennis Heather Jerry
Diane Tyler Ruth Aaron Julie Jose Olivia Adam Joyce Nathan Virginia Henry Victoria Zachary Kelly Douglas Lauren Peter
Christina Kyle Joan Noah Evelyn Ethan Judith Jeremy Megan Walter Andrea Christian Cheryl Keith Hannah Roger Jacqueline
Terry Martha Austin Gloria Sean Teresa Gerald Ann Carl Sara Harold Madison Dylan Frances Arthur Kathryn Lawrence Janice
Jordan Jean Jesse Abigail Bryan Alice Billy Julia Bruce Judy Gabriel Sophia Joe Grace Logan Denise Alan Amber Juan Doris
Albert Marilyn Willie Danielle Elijah Beverly Wayne Isabella Randy Theresa Vincent Diana Mason Natalie Roy Brittany
Ralph Charlotte Bobby Marie Russell Kayla Bradley Alexis Philip Lori Angela Lukas Jonas Felix Leon Paula Klaus Jürgen
Günther Ursula Heike Anke Sabine Monika Petra Stefan Wolfgang Dieter Hans Karl Friedrich Johann Ludwig Otto Heinrich
Pierre François Camille Élodie Chloé Mathieu Jacques Antoine Céline Amélie Luc Margaux Giulia Marco Luca Giovanni
Francesca Alessandro Matteo Chiara Lorenzo Carlos Miguel Javier Lucía Sofía Alejandro Pablo Diego Carmen Isabel Rafael
João Beatriz Tiago Inês Pedro Catarina Lars Ingrid Björn Astrid Sven Freya Magnus Olaf Kirsten Mette Søren Anders
Aleksandr Dmitri Ivan Olga Natasha Svetlana Sergei Tatiana Vladimir Yuri Katarzyna Piotr Agnieszka Zofia Jan Pavel
Hiroshi Yuki Kenji Sakura Haruto Akira Naoko Takeshi Wei Li Mei Xiaoming Jun Hui Min-jun Ji-woo Seo-yeon Aarav Priya
Rahul Ananya Arjun Deepika Vikram Sunita Rajesh Kavita Mohammed Fatima Ahmed Aisha Omar Layla Hassan Zainab Yusuf Amina
Ali Mariam Kwame Ama Chidi Ngozi Oluwaseun Adaeze Thabo Lerato Zanele Sipho Nia Kofi Amara Tunde Mehmet Ayşe Elif Emre
Moshe Yael Avi Noa Reza Shirin Farid Leila Nguyen Linh Minh Thanh Siti Budi Dewi Putri Somchai Mateo Valentina Camila
Ada Alan Grace Marie Isaac Galileo Amelia Barack Angela Winston Nelson Indira Simone Frida Pablo Vincent Wolfgang
"""

LAST = """
Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez Wilson Anderson Moore
Jackson Martin Lee Perez Thompson White Harris Sanchez Clark Ramirez Lewis Robinson Walker Young Allen King Wright
Torres Nguyen Hill Flores Green Adams Nelson Baker Hall Rivera Campbell Mitchell Carter Roberts Gomez Phillips Evans
Turner Diaz Parker Cruz Edwards Collins Reyes Stewart Morris Morales Murphy Cook Rogers Gutierrez Ortiz Morgan Cooper
Peterson Bailey Reed Howard Ramos Kim Cox Ward Richardson Watson Brooks Chavez Wood Bennett Gray Mendoza Ruiz
Hughes Price Alvarez Castillo Sanders Patel Myers Long Ross Foster Jimenez Powell Jenkins Perry Sullivan Bell Coleman
Butler Henderson Barnes Fisher Vasquez Simmons Romero Jordan Patterson Alexander Hamilton Graham Reynolds Griffin
Wallace Moreno West Cole Hayes Bryant Herrera Gibson Ellis Tran Medina Stevens Murray Ford Castro Marshall Owens
Harrison Fernandez McDonald Woods Kennedy Wells Vargas Henry Chen Freeman Webb Tucker Guzman Burns Crawford Olson
Simpson Porter Hunter Gordon Mendez Silva Shaw Snyder Dixon Muñoz Hunt Hicks Holmes Palmer Wagner Black Robertson Boyd
Rose Stone Salazar Fox Warren Mills Meyer Rice Schmidt Daniels Ferguson Nichols Stephens Soto Weaver Ryan Gardner Payne
Müller Schneider Fischer Weber Becker Hoffmann Schäfer Koch Bauer Richter Klein Wolf Schröder Neumann Schwarz Zimmermann
Braun Krüger Hofmann Hartmann Lange Werner Krause Lehmann Köhler Maier Dubois Lefebvre Moreau Laurent Girard Bonnet
Fontaine Rousseau Chevalier Rossi Russo Ferrari Esposito Bianchi Romano Colombo Ricci Marino Greco Conti Johansson
Andersson Karlsson Nilsson Eriksson Larsen Hansen Pedersen Christensen Jensen Sørensen Virtanen Korhonen Ivanov Petrov
Smirnov Kuznetsov Popov Volkov Kowalski Nowak Wiśniewski Zieliński Novák Dvořák Horvat Kovács Nagy Popescu Ionescu
Papadopoulos Yılmaz Demir Kaya Tanaka Suzuki Takahashi Watanabe Yamamoto Nakamura Kobayashi Kato Sato Wang Zhang Liu
Huang Zhao Wu Zhou Park Choi Jung Kang Sharma Singh Gupta Kumar Reddy Iyer Khan Hussain Malik Chaudhry Haddad Mansour
Nasser Okafor Adeyemi Mensah Boateng Dlamini Nkosi Mokoena Abebe Tesfaye Mwangi Otieno Cohen Levi Mizrahi Santos
Oliveira Pereira Costa Almeida Carvalho van-Dijk de-Vries Bakker Visser O'Brien O'Connor O'Neill McCarthy MacLeod
Lovelace Turing Hopper Curie Newton Einstein Darwin Churchill Obama Merkel Mandela Gandhi Shakespeare Austen Dickens
"""

CITY = """
London Paris Berlin Madrid Rome Vienna Lisbon Dublin Brussels Amsterdam Copenhagen Stockholm Oslo Helsinki Warsaw Prague
Budapest Athens Bucharest Sofia Belgrade Zagreb Ljubljana Bratislava Vilnius Riga Tallinn Kyiv Minsk Moscow Istanbul
Ankara Cairo Alexandria Casablanca Rabat Tunis Algiers Tripoli Lagos Abuja Accra Dakar Nairobi Kampala Addis_Ababa
Johannesburg Cape_Town Durban Pretoria Harare Lusaka Luanda Kinshasa Jerusalem Tel_Aviv Beirut Damascus Amman Baghdad
Tehran Riyadh Jeddah Dubai Abu_Dhabi Doha Kabul Karachi Lahore Islamabad Delhi New_Delhi Mumbai Bangalore Chennai
Kolkata Hyderabad Pune Dhaka Colombo Kathmandu Yangon Bangkok Hanoi Ho_Chi_Minh_City Phnom_Penh Singapore Kuala_Lumpur
Jakarta Manila Beijing Shanghai Shenzhen Guangzhou Chengdu Wuhan Hong_Kong Taipei Seoul Busan Tokyo Osaka Kyoto Nagoya
Sapporo Sydney Melbourne Brisbane Perth Adelaide Canberra Auckland Wellington New_York Los_Angeles Chicago Houston
Phoenix Philadelphia San_Antonio San_Diego Dallas San_Jose Austin Jacksonville Columbus Charlotte Indianapolis
San_Francisco Seattle Denver Boston Nashville Detroit Portland Memphis Las_Vegas Baltimore Milwaukee Albuquerque
Tucson Fresno Sacramento Atlanta Miami Oakland Minneapolis Cleveland New_Orleans Tampa Pittsburgh Cincinnati
St._Louis Salt_Lake_City Toronto Montreal Vancouver Calgary Ottawa Quebec Winnipeg Halifax Mexico_City Guadalajara
Monterrey Havana Bogotá Medellín Lima Quito Caracas Santiago Buenos_Aires Córdoba Montevideo São_Paulo Rio_de_Janeiro
Brasília Salvador Recife Hamburg München Munich Köln Cologne Frankfurt Stuttgart Düsseldorf Leipzig Dresden Hannover
Nuremberg Bremen Zürich Zurich Geneva Basel Bern Lyon Marseille Toulouse Nice Nantes Strasbourg Bordeaux Lille
Barcelona Valencia Seville Bilbao Milan Naples Turin Florence Venice Bologna Genoa Porto Manchester Birmingham
Liverpool Leeds Sheffield Bristol Glasgow Edinburgh Cardiff Belfast Cambridge Oxford York Bath Brighton Rotterdam
Utrecht The_Hague Antwerp Ghent Gothenburg Malmö Bergen Aarhus Tampere Kraków Gdańsk Brno Springfield Riverside Salem
Fairview Madison Georgetown Arlington Ashland Dover Hudson Kingston Newport Oakdale Burlington Lexington Princeton
"""

COUNTRY = """
Afghanistan Albania Algeria Angola Argentina Armenia Australia Austria Azerbaijan Bahrain Bangladesh Belarus Belgium
Bolivia Bosnia Botswana Brazil Bulgaria Cambodia Cameroon Canada Chad Chile China Colombia Congo Costa_Rica Croatia Cuba
Cyprus Czechia Denmark Ecuador Egypt Estonia Ethiopia Fiji Finland France Georgia Germany Ghana Greece Guatemala Haiti
Honduras Hungary Iceland India Indonesia Iran Iraq Ireland Israel Italy Ivory_Coast Jamaica Japan Jordan Kazakhstan
Kenya Kuwait Laos Latvia Lebanon Libya Lithuania Luxembourg Madagascar Malaysia Mali Malta Mexico Moldova Mongolia
Montenegro Morocco Mozambique Myanmar Namibia Nepal Netherlands New_Zealand Nicaragua Niger Nigeria North_Korea Norway
Oman Pakistan Panama Paraguay Peru Philippines Poland Portugal Qatar Romania Russia Rwanda Saudi_Arabia Senegal Serbia
Slovakia Slovenia Somalia South_Africa South_Korea Spain Sri_Lanka Sudan Sweden Switzerland Syria Taiwan Tanzania
Thailand Tunisia Turkey Uganda Ukraine United_Kingdom United_States Uruguay Uzbekistan Venezuela Vietnam Yemen Zambia
Zimbabwe Britain England Scotland Wales USA UK America
"""

PLACE = """
Europe Asia Africa Antarctica Oceania California Texas Florida Ohio Alaska Hawaii Nevada Oregon Utah Montana Kansas
Virginia Michigan Arizona Colorado Bavaria Saxony Tuscany Sicily Catalonia Andalusia Normandy Brittany Provence Cornwall
Yorkshire Kent Ontario Alberta Queensland Victoria Tasmania Siberia Crimea Punjab Kerala Sichuan Tibet Hokkaido Okinawa
Bali Java Sumatra Borneo Patagonia Amazonia Sahara Kalahari Himalayas Alps Andes Pyrenees Carpathians Rockies
Mount_Everest Mount_Fuji Kilimanjaro Lake_Victoria Lake_Michigan Lake_Geneva Lake_Constance Black_Sea Red_Sea North_Sea
Baltic_Sea Mediterranean Atlantic Pacific Arctic Rhine Danube Thames Seine Nile Amazon Mississippi Ganges Volga Yangtze
Manhattan Brooklyn Harlem Hollywood Silicon_Valley Westminster Soho Camden Montmartre Kreuzberg Trafalgar_Square
Times_Square Central_Park Hyde_Park Wall_Street Baker_Street Abbey_Road Downing_Street Red_Square Heathrow Gatwick
Golden_Gate_Bridge Brandenburg_Gate Eiffel_Tower Middle_East Balkans Scandinavia Caribbean Latin_America Black_Forest
Yellowstone Grand_Canyon Niagara_Falls Loch_Ness Isle_of_Wight Channel_Islands Cape_Horn Gulf_of_Mexico
"""

COMPANY = """
Apple Google Microsoft Amazon Facebook Meta Netflix Tesla Intel IBM Oracle Cisco Nvidia AMD Qualcomm Samsung Sony
Panasonic Toshiba Hitachi Toyota Honda Nissan Mazda Subaru Hyundai Kia BMW Daimler Volkswagen Audi Porsche Siemens Bosch
SAP Bayer BASF Allianz Lufthansa Adidas Puma Nike Reebok Nestlé Novartis Roche UBS Unilever Shell BP Total Exxon Chevron
Gazprom Boeing Airbus Lockheed_Martin Rolls-Royce General_Electric General_Motors Ford Chrysler Fiat Ferrari Renault
Peugeot Michelin Danone Carrefour Tesco Walmart Target Costco Ikea Lego Philips Heineken Ericsson Nokia Volvo Spotify
Uber Lyft Airbnb Twitter LinkedIn PayPal eBay Alibaba Tencent Baidu Huawei Xiaomi Lenovo Foxconn TSMC Infosys Wipro Tata
Reliance Petrobras Embraer Vodafone Verizon AT&T T-Mobile Disney Pixar Warner_Bros Universal Paramount BBC CNN Reuters
Bloomberg Goldman_Sachs Morgan_Stanley JPMorgan Citigroup HSBC Barclays Santander ING Credit_Suisse Visa Mastercard
McKinsey Deloitte KPMG Accenture Pfizer Moderna AstraZeneca Merck Starbucks McDonald's Pepsi Coca-Cola Kraft Heinz
SpaceX OpenAI Anthropic DeepMind Mozilla Canonical Docker GitHub GitLab Atlassian Salesforce Adobe Dropbox Zoom Slack
NASA ESA NATO UNESCO UNICEF WHO OPEC FIFA UEFA IAEA CERN FBI CIA NSA MI6 Interpol Europol Greenpeace Oxfam Amnesty
Congress Parliament Bundestag Senate Kremlin Pentagon Hezbollah Hamas Taliban Labour Arsenal Chelsea Juventus
Liverpool_FC Manchester_United Real_Madrid FC_Barcelona Bayern_Munich Borussia_Dortmund Ajax Lakers Yankees Red_Sox
"""

ORG_FIXED = """
United_Nations European_Union European_Commission European_Parliament World_Bank World_Health_Organization
International_Monetary_Fund World_Trade_Organization Red_Cross Supreme_Court White_House House_of_Commons
Federal_Reserve Bank_of_England European_Central_Bank New_York_Times Washington_Post The_Guardian Wall_Street_Journal
Associated_Press Der_Spiegel Le_Monde Financial_Times Harvard_University Stanford_University Oxford_University
Massachusetts_Institute_of_Technology Max_Planck_Society Fraunhofer_Institute Royal_Society Royal_Air_Force
Salvation_Army Scotland_Yard State_Department Department_of_Defense Treasury_Department Ministry_of_Health
Foreign_Office Democratic_Party Republican_Party Conservative_Party Green_Party Mozilla_Foundation
Linux_Foundation Apache_Software_Foundation Python_Software_Foundation African_Union Arab_League
"""

NATIONALITY = """
American British English French German Spanish Italian Portuguese Dutch Belgian Swiss Austrian Polish Czech Hungarian
Romanian Bulgarian Greek Turkish Russian Ukrainian Swedish Norwegian Danish Finnish Icelandic Irish Scottish Welsh
Canadian Mexican Brazilian Argentine Chilean Peruvian Colombian Cuban Chinese Japanese Korean Vietnamese Thai Indian
Pakistani Bangladeshi Indonesian Malaysian Filipino Australian Egyptian Moroccan Tunisian Nigerian Ghanaian Kenyan
Ethiopian Iranian Iraqi Syrian Lebanese Israeli Palestinian Saudi European Asian African Arab Jewish Muslim Christian
Catholic Protestant Buddhist Hindu Bavarian Catalan Basque Flemish Kurdish Latin Arabic Hebrew Mandarin Hindi Swahili
Albanian Serbian Croatian Bosnian Slovak Estonian Latvian Lithuanian Georgian Armenian
"""

MISC_FIXED = """
World_War_II World_War_I Cold_War Vietnam_War Gulf_War Civil_War French_Revolution Industrial_Revolution Renaissance
Olympics Winter_Olympics Olympic_Games World_Cup Champions_League Premier_League Bundesliga Super_Bowl Wimbledon
Tour_de_France US_Open Nobel_Prize Pulitzer_Prize Grammy Oscar Golden_Globe Academy_Award Booker_Prize Turing_Award
Christmas Easter Ramadan Thanksgiving Halloween Brexit iPhone iPad PlayStation Xbox Windows Linux Android Ubuntu Debian
Python Java JavaScript Rust Kubernetes PostgreSQL Excel Photoshop Boeing_747 Airbus_A380 Model_S Golf Corolla Concorde
Titanic Apollo_11 Hubble_Space_Telescope Mona_Lisa Guernica Hamlet Macbeth Odyssey Iliad Bible Koran Harry_Potter
Star_Wars Star_Trek The_Lord_of_the_Rings The_Hobbit Game_of_Thrones Breaking_Bad Pulp_Fiction Casablanca Don_Quixote
War_and_Peace Moby_Dick The_Great_Gatsby Pride_and_Prejudice Beatlemania COVID-19 Ebola Alzheimer Euro Bitcoin
Ethereum Magna_Carta Treaty_of_Versailles Paris_Agreement Good_Friday_Agreement Kyoto_Protocol Schengen
"""

LEGAL = "Inc. Inc Ltd Ltd. GmbH AG Corp. Corporation LLC plc S.A. Group Holdings & Co. Partners Brothers".split()
BRANCH = """Industries Software Systems Motors Airlines Airways Electronics Energy Foods Pharmaceuticals Technologies
Robotics Logistics Media Records Pictures Studios Publishing Press Insurance Capital Ventures Consulting Steel Mining
Chemicals Telecom Networks Semiconductors Biotech Labs Analytics Financial Railways Shipping Construction Retail""".split()
TEAM = "United City Rovers Wanderers Athletic FC Rangers Tigers Eagles Bears Lions Hawks Dynamos Giants Sharks".split()
FIELD = "Health Education Justice Defence Finance Agriculture Transport Energy Science Culture Labour Trade".split()
SUBJECT = "Physics Economics Medicine Technology Art Law Biology Chemistry Astronomy Music History Science".split()


def held_out(name):
    """Whether a name of a list is for the evaluation alone."""
    return hashlib.sha256(name.encode()).digest()[0] % 7 == 0


def _lists(text):
    names = list(dict.fromkeys(name.replace("_", " ").replace("van-", "van ").replace("de-", "de ") for name in text.split()))
    return [name for name in names if not held_out(name)], [name for name in names if held_out(name)]


LISTS = {
    name: _lists(text)
    for name, text in {
        "first": FIRST, "last": LAST, "city": CITY, "country": COUNTRY, "place": PLACE, "company": COMPANY,
        "org": ORG_FIXED, "nationality": NATIONALITY, "misc": MISC_FIXED,
    }.items()
}  # fmt: skip


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
    name: Chain([word for entry in LISTS[name][0] for word in entry.split() if word.isalpha()])
    for name in ("first", "last", "city", "company")
}


class Names:
    """Draws entities: of the training's part of the lists and made-up ones, or of the part held out."""

    def __init__(self, rng: random.Random, test: bool):
        self.rng, self.test = rng, test

    def of(self, name):
        if not self.test and name in CHAINS and self.rng.random() < 0.5:
            return CHAINS[name].make(self.rng)
        return self.rng.choice(LISTS[name][self.test])

    def PER(self):
        first, last = self.of("first"), self.of("last")
        initial = self.rng.choice("ABCDEFGHIJKLMNOPRSTVW")
        forms = [f"{first} {last}"] * 10 + [last] * 4 + [first] * 4
        forms += [f"{first} {initial}. {last}", f"{initial}. {last}", f"{first} {self.of('first')} {last}"]
        forms += [f"{first} {last}-{self.of('last')}"]
        return self.rng.choice(forms)

    def LOC(self):
        kind = self.rng.random()
        if kind < 0.5:
            return self.of("city")
        if kind < 0.78:
            return self.of("country")
        if kind < 0.92:
            return self.of("place")
        city, last = self.of("city"), self.of("last")
        forms = [f"{last} Street", f"{city} Road", f"{last} Avenue", f"Lake {city}", f"Mount {last}", f"{city} Bay"]
        forms += [f"{city} Airport", f"Port {last}", f"{last} Valley", f"North {city}", f"South {city}", f"{last} Island"]
        return self.rng.choice(forms + [f"{city} Bridge", f"{last} Park", f"River {last}", f"{city} County"])

    def ORG(self):
        kind = self.rng.random()
        if kind < 0.42:
            return self.of("company")
        if kind < 0.55:
            return self.of("org")
        company, last, city = self.of("company"), self.of("last"), self.of("city")
        choose = self.rng.choice
        forms = [f"{last} {choose(BRANCH)}", f"{company} {choose(LEGAL)}", f"{city} {choose(BRANCH)}"] * 2
        forms += [f"{last} & {self.of('last')}", f"{last} {choose(BRANCH)} {choose(LEGAL)}", f"University of {city}"]
        forms += [f"{city} University", f"Bank of {self.of('country')}", f"{city} {choose(TEAM)}", f"{last} Foundation"]
        forms += [f"Ministry of {choose(FIELD)}", f"{city} Institute of {choose(SUBJECT)}", f"{city} Hospital"]
        forms += [f"National {choose(SUBJECT)} Council", f"{city} Police Department", f"{city} Museum of {choose(SUBJECT)}"]
        forms += ["".join(self.rng.choices("ABCDEFGIKLMNOPRSTUVW", k=self.rng.choice([3, 3, 4])))]
        return choose(forms)

    def MISC(self):
        kind = self.rng.random()
        if kind < 0.55:
            return self.of("nationality")
        if kind < 0.85:
            return self.of("misc")
        city, last, choose = self.of("city"), self.of("last"), self.rng.choice
        forms = [f"{city} Film Festival", f"{city} Marathon", f"{last} Prize", f"{city} Grand Prix", f"Battle of {city}"]
        forms += [f"{last} Award", f"{city} Open", f"{city} Treaty", f"{city} Cup", f"{city} Biennale"]
        return choose(forms)

    def ADJ(self):
        """A nationality, before a noun."""
        return self.of("nationality")
