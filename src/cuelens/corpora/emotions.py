"""One name per emotion, whatever a corpus calls it."""

from __future__ import annotations

import difflib
import unicodedata

from cuelens.errors import InputError

CANONICAL = (
    "anger",
    "boredom",
    "calm",
    "contempt",
    "disgust",
    "excitement",
    "fear",
    "frustration",
    "happiness",
    "neutral",
    "sadness",
    "surprise",
)

# Per emotion: English, misspellings met in published label files, German, French, Spanish, Italian.
_SPELLINGS = {
    "anger": """angry, angriness, angray, agry, Wut, wütend, wuetend, Ärger, Aerger, ärgerlich,
        aergerlich, Zorn, zornig, colère, en colère, fâché, fâchée, ira, enojo, enojado, enojada,
        enfado, enfadado, enfadada, rabia, rabbia, arrabbiato, arrabbiata, collera""",
    "boredom": """bored, bordom, bordem, Langeweile, gelangweilt, ennui, ennuyé, ennuyée,
        aburrimiento, aburrido, aburrida, noia, annoiato, annoiata""",
    "calm": """calmness, ruhig, Ruhe, calme, calma, calmo, calmado, tranquilo, tranquila,
        tranquillo, tranquilla""",
    "contempt": """contemptuous, contemp, Verachtung, verächtlich, veraechtlich, mépris,
        méprisant, desprecio, disprezzo""",
    "disgust": """disgusted, disguest, digust, disgut, Ekel, angeekelt, angewidert, dégoût,
        dégoûté, dégoûtée, asco, disgusto, disgustato, disgustata""",
    "excitement": """excited, exited, exitement, Aufregung, aufgeregt, excitation, excité, excitée,
        excitación, excitado, excitada, eccitazione, eccitato, eccitata""",
    "fear": """fearful, fearfull, feer, afraid, scared, anxiety, anxiety/fear, fear/anxiety, Angst,
        ängstlich, aengstlich, Furcht, peur, effrayé, effrayée, apeuré, apeurée, miedo, temor,
        asustado, asustada, paura, impaurito, impaurita, spaventato, spaventata""",
    "frustration": """frustrated, frustated, frustation, Frust, frustriert, frustré, frustrée,
        frustración, frustrado, frustrada, frustrazione, frustrato, frustrata""",
    "happiness": """happy, joy, joyful, happyness, hapiness, happines, hapy, Freude, freudig,
        fröhlich, froehlich, Fröhlichkeit, Glück, Glueck, glücklich, gluecklich, joie, joyeux,
        joyeuse, heureux, heureuse, bonheur, alegría, alegre, felicidad, feliz, felicità, felice,
        gioia, gioioso, allegria, allegro""",
    "neutral": """neutrality, nuetral, netural, neutal, neutrale, neutre, neutralité, neutro,
        neutra, neutralidad, neutralità""",
    "sadness": """sad, sorrow, saddness, sadnes, Trauer, traurig, Traurigkeit, tristesse, triste,
        tristeza, tristezza""",
    "surprise": """surprised, ps, pleasant surprise, pleasant surprised, pleasantly surprised,
        suprise, suprised, surprize, surprized, supprise, superise, Überraschung, Ueberraschung,
        überrascht, ueberrascht, surpris, étonnement, étonné, étonnée, sorpresa, sorprendido,
        sorprendida, sorpreso""",
}


def label_key(label: str) -> str:
    """Letters and digits only, without case or accents."""
    decomposed = unicodedata.normalize("NFKD", label.casefold())
    return "".join(c for c in decomposed if c.isalnum())


ALIASES: dict[str, str] = {
    label_key(spelling): emotion
    for emotion in CANONICAL
    for spelling in (emotion, *_SPELLINGS[emotion].split(","))
}
"""Spelling, reduced to lower-case letters without accents, to canonical emotion."""


def canonical_emotion(label: str) -> str:
    """The canonical name of an emotion label.

    Case, accents, spaces, underscores and hyphens do not matter.  Nouns and adjectives in
    English, German, French, Spanish and Italian are known, and misspellings met in label files.
    Codes of one corpus (``W``, ``ANG``, ``05``) are not: they mean different things in different
    corpora and belong to their layout.

    Parameters
    ----------
    label : str

    Returns
    -------
    str
        One of `CANONICAL`.

    Raises
    ------
    InputError
        The label is not known; the message lists those that are.

    Notes
    -----
    "Pleasant surprise" ("ps", from TESS) counts as surprise, "anxiety" (from EmoDB's own
    description of its label A) as fear.

    Examples
    --------
    >>> canonical_emotion("Pleasant_Surprise"), canonical_emotion("Wut")
    ('surprise', 'anger')
    """
    key = label_key(label) if isinstance(label, str) else ""
    if key in ALIASES:
        return ALIASES[key]
    near = difflib.get_close_matches(key, ALIASES, n=1)
    guess = f" (did you mean {ALIASES[near[0]]}?)" if near else ""
    raise InputError(
        f"unknown emotion label {label!r}{guess}; expected one of {', '.join(CANONICAL)}, "
        "or a common English, German, French, Spanish or Italian word for one: rename the label"
    )
