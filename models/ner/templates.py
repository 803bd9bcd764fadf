"""Sentences with places for names (`{PER}`, `{LOC}`, `{ORG}`, `{MISC}`, `{ADJ}`) and for words (`{noun}`, `{day}`, ...).

`HELD_OUT` is for the evaluation alone.
"""

WORDS = {
    "noun": """report project meeting company team game market house plan price system idea letter contract film song
        book train road bridge school hospital factory festival problem decision agreement law tax budget crisis match
        season album server database machine engine ship plane car phone garden museum library river village strike
        election campaign investigation experiment theory discovery device product shop restaurant hotel airport party
        bank account recipe dinner weather storm flood fire accident trial statement interview article""",
    "plural": """workers students teachers doctors farmers engineers scientists lawyers soldiers police officers voters
        investors customers fans players tourists refugees neighbours friends children families analysts reporters
        officials developers shareholders drivers visitors users lawmakers residents critics""",
    "job": """president minister mayor director manager engineer teacher doctor lawyer professor writer painter singer
        actor driver captain coach chairman spokeswoman spokesman secretary founder chancellor senator judge officer
        scientist journalist nurse pilot farmer architect composer king queen general economist analyst striker
        goalkeeper midfielder researcher programmer plumber cook neighbour grandmother uncle brother sister colleague""",
    "adj": """new old large small important expensive cheap quiet strange famous national local former late early final
        difficult simple beautiful terrible huge annual private public foreign secret modern heavy bright dark strong""",
    "verb_past": """visited left reached praised criticised described mentioned discussed supported rejected watched
        remembered forgot admired attacked defended followed ignored studied photographed""",
    "say": "said told_reporters announced admitted confirmed explained added warned claimed insisted wrote replied",
    "day": """Monday Tuesday Wednesday Thursday Friday Saturday Sunday yesterday today last_week last_year
        this_morning in_March in_July in_October on_Monday on_Friday on_Sunday in_1999 in_2004 in_2016 in_2023
        two_years_ago next_month tomorrow at_the_weekend""",
    "time": "in_January in_1987 in_2010 on_Tuesday on_Saturday in_the_spring last_night a_week_later after_the_war",
    "num": "2 3 5 7 12 15 20 42 100 250 1,500 3.5 4.2 80 17 1,000 60",
    "adv": "quickly slowly often never always usually suddenly finally probably certainly recently later again",
}  # fmt: skip

TRAIN = """
{PER} was born in {LOC} {time}.
{PER} lives in {LOC} and works for {ORG}.
{PER} works at {ORG} in {LOC}.
My name is {PER} and I live in {LOC}.
My name is {PER}.
I am {PER} from {ORG}.
Hello {PER}, thank you for the {noun}.
Dear {PER}, please find the {noun} attached.
Hi {PER}, are you coming to {LOC} {day}?
Best regards, {PER}
Regards, {PER}, {ORG}
{PER} and {PER} met in {LOC} {time}.
{PER}, {PER} and {PER} were at the {noun}.
{PER} {say} {day} that the {noun} was {adj}.
"The {noun} is {adj}," {say} {PER}.
"We will not leave {LOC}," {PER} {say}.
"I love this {noun}," {say} {PER}, a {job} at {ORG}.
{ORG} {say} {day} it would buy {ORG} for {num} million dollars.
{ORG} shares fell {num} percent {day}.
Shares in {ORG} rose after the {noun}.
{ORG} will open a {adj} {noun} in {LOC} {day}.
{ORG} is based in {LOC}.
{ORG}, based in {LOC}, makes {adj} cars.
The headquarters of {ORG} are in {LOC}.
{PER}, the {job} of {ORG}, {say} the {noun} would be {adj}.
{ORG} chief executive {PER} {say} the {noun} was {adj}.
{LOC} {job} {PER} arrived in {LOC} {day}.
The {job} of {LOC}, {PER}, {verb_past} the {noun}.
{ADJ} {job} {PER} {verb_past} {LOC} {day}.
The {ADJ} {job} {verb_past} the {noun} in {LOC}.
A {ADJ} {noun} was found near {LOC}.
{ADJ} {plural} protested in {LOC} {day}.
He speaks {MISC} and a little {MISC}.
The {ADJ} government rejected the {noun}.
{PER} won the {MISC} {time}.
{PER} lost the final of the {MISC} to {PER}.
{ORG} beat {ORG} {num} to {num} {day}.
{ORG} - {ORG} 2 : 1
{LOC} 3 {LOC} 0
{PER} scored {num} goals for {ORG} in the {MISC}.
The {MISC} takes place in {LOC} {day}.
We watched {MISC} with {PER}.
{MISC} was written by {PER}.
{PER} wrote {MISC} {time}.
I bought a {MISC} from {ORG}.
{ORG} released the {adj} {MISC} {day}.
The {plural} of {ORG} went on strike {day}.
The train from {LOC} to {LOC} was late.
We flew from {LOC} to {LOC} via {LOC}.
I want to travel to {LOC} {day}.
How do I get from {LOC} to {LOC}?
What is the weather in {LOC} {day}?
{LOC} is the capital of {LOC}.
{LOC} is a {adj} city in {LOC}.
{LOC}, {LOC}, is known for its {noun}.
The {noun} in {LOC} was {adj}.
It rained in {LOC} {day}.
In {LOC}, {plural} {verb_past} the {noun}.
Near {LOC} there is a {adj} {noun}.
From {LOC} the road leads to {LOC}.
{LOC} and {LOC} signed the {noun} {day}.
{LOC} has {num} million people.
The border between {LOC} and {LOC} was closed {day}.
Who is {PER}?
Where is {LOC}?
What does {ORG} do?
Did {PER} call {PER} about the {noun}?
Please ask {PER} to send the {noun} to {ORG}.
{PER} moved to {LOC} {time}.
{PER} studied at {ORG} before joining {ORG}.
{PER} joined {ORG} {time} as a {job}.
{PER} founded {ORG} in {LOC} {time}.
{ORG} was founded by {PER} and {PER} {time}.
{PER} left {ORG} to become a {job}.
She met {PER} at {ORG} {time}.
He told {PER} about {LOC}.
Mr. {PER} {verb_past} the {noun}.
Mrs. {PER} and Mr. {PER} live next to the {noun}.
Dr. {PER} works at the {noun} in {LOC}.
President {PER} {say} the {noun} would end {day}.
Professor {PER} of {ORG} {verb_past} the {noun}.
Sir {PER} {verb_past} {LOC} {time}.
Queen {PER} {verb_past} {LOC}.
{PER}'s {noun} was {adj}.
{ORG}'s {noun} was {adv} {adj}.
{LOC}'s {job} {say} the {noun} was {adj}.
According to {ORG}, the {noun} was {adj}.
According to {PER}, {ORG} will close its {noun} in {LOC}.
LONDON ({ORG}) - {PER} {say} {day}.
{LOC} ({ORG}) - The {noun} {verb_past} the {noun}.
{LOC}, {day}: {PER} {verb_past} the {noun}.
The {job} {PER} was seen with {PER} in {LOC}.
{PER} ({ORG}) {verb_past} the {noun}.
{PER} ({LOC}) beat {PER} ({LOC}) 6-4 7-5
The University in {LOC} invited {PER}.
{ORG} and {ORG} signed a {noun} worth {num} billion euros.
{ORG} sued {ORG} over a {noun}.
A spokesman for {ORG} {say} the {noun} was {adj}.
{plural} at {ORG} {verb_past} the {noun}.
Thousands of {plural} in {LOC} {verb_past} {PER}.
After the {MISC}, {LOC} was {adj}.
During the {MISC}, {PER} lived in {LOC}.
The {ADJ} language is {adj}.
An {ADJ} {job} and a {ADJ} {job} met in {LOC}.
My {job} {PER} cooks {ADJ} food.
They like {ADJ} music and {ADJ} films.
The {MISC} was {adv} {adj}.
{MISC} runs on this machine.
You can install {MISC} with one command.
{PER} bought {num} shares of {ORG} {day}.
{PER} sent an email to {PER} at {ORG}.
Meeting with {PER} and {PER} in {LOC} at {num} o'clock
I visited {LOC}, {LOC} and {LOC} {time}.
Our {job} {PER} comes from {LOC}.
The {noun} of {PER} hangs in {ORG}.
{PER} died in {LOC} {time} at the age of {num}.
{PER} married {PER} in {LOC} {time}.
{PER} (born {num} March 1950 in {LOC}) is a {ADJ} {job}.
{PER} is a {ADJ} {job} who plays for {ORG}.
{PER} plays for {ORG} in the {MISC}.
{ORG} hired {PER} as {job}.
{ORG} fired its {job}, {PER}, {day}.
Rescue teams from {LOC} reached {LOC} {day}.
The ship sailed from {LOC} across the {LOC} to {LOC}.
{LOC} lies on the {LOC}.
Flights to {LOC} were cancelled {day}.
The {noun} between {ORG} and the {noun} in {LOC} goes on.
Contact: {PER}, {ORG}, {LOC}
{ORG} {LOC}
In {LOC} we stayed in a {adj} hotel.
We arrived in {LOC} late at night.
She left {LOC} as a child and never came back.
When {PER} was a child, the family lived near {LOC}.
{PER} and her {job} opened a shop in {LOC}.
{PER}, who lives in {LOC}, {verb_past} the {noun}.
{PER}, whose {noun} was {adj}, left {LOC}.
{PER} thinks that {ORG} should sell its {noun}.
{PER} has been with {ORG} for {num} years.
Ask {PER} whether the {noun} is {adj}.
I spoke to {PER} about the {noun} at {ORG}.
I work for {ORG} as a {job}.
I study at {ORG}.
I am from {LOC}.
I was born in {LOC} but I live in {LOC}.
He used to live in {LOC}.
They moved from {LOC} to {LOC} {time}.
Their {job} is called {PER}.
His name is {PER} and he is {num} years old.
Her brother {PER} is a {job} in {LOC}.
Nobody has seen {PER} since {day}.
Everybody in {LOC} knows {PER}.
Police in {LOC} arrested a {adj} {job}.
Police in {LOC} are looking for {PER}.
{num} people died in a fire in {LOC}, {LOC}.
An earthquake shook {LOC} {day}.
The war in {LOC} began {time}.
{ORG} announced a {adj} {noun} {day}.
{ORG} has {num} employees in {LOC}.
{ORG} makes phones and computers.
{ORG} lost {num} million euros {time}.
{ORG} cut {num} jobs in {LOC}.
Engineers at {ORG} developed a {adj} {noun}.
The company {ORG} was sold to {ORG}.
Customers of {ORG} complained about the {noun}.
Both {ORG} and {ORG} declined to comment.
The deal makes {ORG} the largest {noun} in {LOC}.
{PER} was appointed {job} of {ORG}.
{PER} resigned as {job} of {ORG} {day}.
{PER} sold {ORG} to {ORG} {time}.
With {PER} as {job}, {ORG} won the {MISC}.
{ORG} drew {num} - {num} with {ORG} in {LOC}.
{LOC} won the {MISC} {time}.
The {ADJ} team lost to {LOC}.
{ADJ} police said the {noun} was {adj}.
Many {ADJ} {plural} live in {LOC}.
{PER} speaks {MISC}, {MISC} and {MISC}.
The {noun} was translated into {MISC}.
Have you read {MISC} by {PER}?
In {MISC}, {PER} plays a {job}.
{PER}'s {MISC} is a {adj} book.
{PER} was awarded the {MISC} {time}.
Tell me about {PER}.
Tell me about {LOC}.
Give me a {adj} {noun} about {LOC}.
Find a {noun} in {LOC} for {num} people.
Remind me to call {PER} {day}.
Is {PER} still working at {ORG}?
Was {PER} the {job} of {LOC}?
How many people live in {LOC}?
Which {noun} in {LOC} is the best?
From: {PER} To: {PER}
{PER}: I do not agree.
{PER} asked {PER} for a {noun}.
{PER} gave {PER} a {adj} {noun}.
{PER} saw {PER} in {LOC} with {PER}.
Then {PER} {verb_past} the {noun}.
But {PER} {say} that the {noun} was {adj}.
Meanwhile, {PER} {verb_past} {LOC}.
Since {day}, {PER} has been in {LOC}.
For {PER}, the {noun} was {adj}.
By {PER}, {ORG}
{PER}
{LOC}
{ORG}
""".strip().split("\n")

NEGATIVE = """
The {noun} was {adj} and the {noun} was {adj}.
It was a {adj} day and the {plural} were at home.
I do not know what to do with the {noun}.
Please send me the {noun} by {day}.
The {plural} {verb_past} the {noun} {day}.
This is a {adj} {noun}.
How much is the {noun}?
Can you help me with my {noun}?
There are {num} {plural} in the {noun}.
He {adv} {verb_past} the {adj} {noun}.
She is a {job} and he is a {job}.
My {job} bought a {adj} {noun} {day}.
We need a {adj} {noun} for the {plural}.
On {day}, the {job} {verb_past} the {noun}.
Many {plural} think that the {noun} is {adj}.
In the morning I read a {noun}.
Prices rose by {num} percent {day}.
The President {say} the {noun} would be {adj}.
The Minister {verb_past} the {noun}.
No, I think the {noun} is {adj}.
Thank you very much for your {noun}!
If the {noun} is {adj}, the {plural} will be happy.
Why is the {noun} so {adj}?
First, open the {noun}. Then close the {noun}.
Chapter {num}: The {adj} {noun}
Write a {noun} about a {adj} {noun}.
Yes, of course.
What time is it?
Total: {num}
THE {noun} WAS {adj}.
The Annual Report Was {adj}.
A {job} {say} that {num} {plural} had left the {noun}.
Dear Sir or Madam, the {noun} is {adj}.
Hello, how are you?
Every {noun} needs a {adj} {noun}.
When the {job} came home, the {noun} was gone.
You should {adv} take the {noun}.
Some {plural} like the {noun}, others do not.
Its {noun} is {adj}, but its {noun} is not.
Then they {verb_past} the {plural}.
After {num} years the {noun} was {adj}.
Mathematics is a {adj} subject.
Open the window, please.
Mother and Father are at home.
""".strip().split("\n")

HELD_OUT = """
{PER} grew up in {LOC}, where her father was a {job}.
It was {PER} who {adv} {verb_past} the {noun}.
Have you ever been to {LOC}?
{ORG} has agreed to pay {num} million dollars to {ORG}.
Researchers at {ORG} have built a {adj} {noun}.
Last summer we drove through {LOC} with {PER}.
{PER} replaced {PER} as {job} of {ORG} {time}.
The {ADJ} {job} {PER} was arrested in {LOC} {day}.
A court in {LOC} ordered {ORG} to stop the {noun}.
Could you book a flight to {LOC} for {PER}?
"That is nonsense," {PER} told the {plural} in {LOC}.
More than {num} {plural} came to the {MISC} in {LOC}.
{PER} received the {MISC} for a {adj} {noun}.
Both {LOC} and {LOC} have {verb_past} the {noun}.
The {noun} belongs to {ORG}, a {ADJ} company.
Yesterday {PER} had lunch with {PER}, the {job} at {ORG}.
Under {PER}, {ORG} became a {adj} {noun}.
The {plural} in {LOC} say that {ORG} is {adj}.
Nobody at {ORG} knew where {PER} was.
Her {adj} {noun} was shown in {LOC} and later in {LOC}.
The old {noun} near the station was {adj}.
Nobody knows why the {noun} is so {adj}.
While the {plural} slept, the {noun} burned.
At least {num} {plural} were hurt in the {noun}.
""".strip().split("\n")
