"""Things a prompt can name: the 80 COCO classes and some more, with synonyms, plurals and a kind for attribute slots.

In: a word or words of a prompt. Out: `Noun`. The class names are COCO's (what a detector would
say); kinds and synonyms are our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from edgecap.runtime.english import plural

Kind = Literal[
    "person", "animal", "bird", "vehicle", "aircraft", "watercraft", "street", "furniture", "food", "tableware",
    "electronics", "carried", "sport", "plant", "object",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Noun:
    """`class_name`: what a detector would say; `singular`: the prompt's own word ("girl"); `many`: it was a plural."""

    class_name: str
    singular: str
    kind: Kind
    many: bool


_COCO: dict[Kind, str] = {
    "person": "person=man,woman,boy,girl,child,kid,baby,toddler,lady,guy,gentleman,teenager,worker,chef,cook,dancer,"
    "runner,jogger,cyclist,biker,skier,surfer,skater,skateboarder,snowboarder,swimmer,soldier,farmer,fisherman,angler,"
    "hiker,climber,painter,musician,teacher,student,doctor,nurse,player,athlete,rider,pedestrian,tourist,firefighter,"
    "police officer,cowboy,astronaut,knight,monk,bride,groom,grandmother,grandfather,mother,father,"
    "friend,waiter,waitress,businessman,businesswoman,photographer,gardener,sailor,pilot,driver,adult,human,"
    "barista,mechanic,carpenter,scientist,acrobat,juggler,courier",
    "animal": "cat=kitten,kitty,tabby;dog=puppy,pup,hound,terrier,labrador,golden retriever,husky,poodle,corgi,"
    "sheepdog,dachshund,bulldog;horse=pony,foal,stallion,mare;sheep=lamb,ewe,ram;cow=bull,calf,ox;elephant;"
    "bear=grizzly,polar bear;zebra;giraffe",
    "bird": "bird=sparrow,pigeon,seagull,gull,crow,raven,eagle,hawk,falcon,owl,duck,goose,swan,parrot,robin,hen,"
    "chicken,rooster,pelican,heron,flamingo,hummingbird,stork",
    "vehicle": "bicycle=bike,cycle;car=automobile,sedan,taxi,cab,sports car,convertible,suv,race car,police car,"
    "jeep,minivan,hatchback;motorcycle=motorbike,scooter,moped;bus=school bus,coach;train=locomotive,tram,subway train;"
    "truck=lorry,pickup,pickup truck,fire truck,van",
    "aircraft": "airplane=plane,aeroplane,jet,airliner,aircraft;kite",
    "watercraft": "boat=ship,sailboat,canoe,kayak,yacht,ferry,rowboat,raft,speedboat",
    "street": "traffic light=traffic signal;fire hydrant=hydrant;stop sign;parking meter",
    "furniture": "bench;chair=armchair,stool;couch=sofa;bed;dining table=table,desk;toilet",
    "food": "banana;apple;sandwich;orange;broccoli;carrot;hot dog;pizza;donut=doughnut;cake=cupcake",
    "tableware": "bottle;wine glass=glass;cup=mug,teacup;fork;knife;spoon;bowl",
    "electronics": "tv=television;laptop=computer,notebook computer;mouse=computer mouse;remote=remote control;"
    "keyboard;cell phone=phone,smartphone,mobile phone;microwave;oven=stove;toaster;sink;refrigerator=fridge;"
    "hair drier=hair dryer,hairdryer",
    "carried": "backpack=rucksack;umbrella=parasol;handbag=purse;tie=necktie;suitcase",
    "sport": "frisbee;skis;snowboard;sports ball=ball,football,soccer ball,basketball,tennis ball,baseball;"
    "baseball bat;baseball glove;skateboard;surfboard;tennis racket=racket",
    "plant": "potted plant=houseplant",
    "object": "book;clock;vase;scissors;teddy bear=teddy;toothbrush",
}
"""kind -> "class=synonym,synonym;class"."""
_MORE: dict[Kind, str] = {
    "person": "robot=android",
    "animal": "fox;wolf;rabbit=bunny,hare;squirrel;deer=stag,fawn;lion=lioness;tiger;leopard=cheetah;panda;monkey=ape,"
    "chimpanzee,gorilla;pig=piglet;goat;camel;kangaroo;koala;hedgehog;otter;turtle=tortoise;frog=toad;snake;lizard;"
    "crocodile=alligator;whale;dolphin;shark;fish=goldfish,koi;penguin;butterfly;bee=bumblebee;donkey;raccoon;hamster;"
    "dragon;dinosaur;octopus;jellyfish;crab;snail;spider",
    "vehicle": "tractor;cart=wagon,carriage;tank;ambulance;wheelchair;rickshaw",
    "aircraft": "helicopter;drone;hot air balloon;balloon;rocket=spaceship,spacecraft;glider;paraglider",
    "object": "candle;lamp=lantern;guitar;piano;violin;drum;flag;box;basket;bucket;toy;statue=sculpture;snowman;hammer;"
    "wheel;rope;ladder;camera tripod;kettle;teapot;pot;pan;bread=loaf;coin;letter;mirror;paintbrush;windmill;tent",
}
"""Outside COCO the class is the noun itself, as an open-vocabulary detector would say."""
_PLURAL_FORM = frozenset({"skis", "scissors"})


@cache
def noun_forms() -> dict[str, Noun]:
    """Every spelling, singular and plural, lower case -> `Noun`. A pair of scissors or skis is one thing."""
    forms: dict[str, Noun] = {}
    for table in (_COCO, _MORE):
        for kind, listed in table.items():
            for entry in listed.split(";"):
                class_name, _, synonyms = entry.partition("=")
                for word in (class_name, *filter(None, synonyms.split(","))):
                    forms.setdefault(word, Noun(class_name, word, kind, word in _PLURAL_FORM))
                    forms.setdefault(plural(word), Noun(class_name, word, kind, True))
    forms["persons"] = forms["people"]
    return forms


def coco_classes() -> tuple[str, ...]:
    """The 80 class names, in our order of kinds."""
    return tuple(entry.partition("=")[0] for listed in _COCO.values() for entry in listed.split(";"))
