"""What shops write into file names to say which side of a product a photo shows, in six languages.

Words are stored folded: lower case, without accents (``rückseite`` as ``ruckseite``; ``rueckseite`` stands beside it).
"""

from __future__ import annotations

import unicodedata


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


VIEWS: dict[str, str] = {
    "front": "front frnt frontal frontside frontview vorne vorn vorderseite vorderansicht frontansicht frontseite "
    "vorderteil face devant avant frente delante delantera delantero fronte davanti frontale voor voorkant voorzijde "
    "vooraanzicht",
    "back": "back rear backside backview behind rearview hinten ruckseite rueckseite ruckansicht rueckansicht "
    "hinterseite hinteransicht dos arriere derriere atras trasera trasero detras espalda retro dietro posteriore "
    "achter achterkant achterzijde achteraanzicht",
    "left": "left lft leftside links linke linkeseite linksseitig gauche izquierda izquierdo izq sinistra sinistro "
    "linkerkant linkerzijde",
    "right": "right rght rgt rightside rechts rechte rechteseite rechtsseitig droite derecha derecho destra destro "
    "rechterkant rechterzijde",
    "side": "side sideview profile seite seitlich seitenansicht seitansicht profil cote lado lateral perfil lato "
    "laterale profilo zijkant zijde zijaanzicht",
    "top": "top topp topview topdown above overhead birdseye oben draufsicht aufsicht oberseite dessus haut "
    "arriba superior cenital sopra alto superiore boven bovenkant bovenaanzicht",
    "bottom": "bottom bott btm bottomview underside beneath below unten unterseite unteransicht boden dessous bas "
    "abajo inferior sotto basso inferiore onder onderkant onderzijde onderaanzicht",
    "three-quarter": "threequarter threequarters 3quarter 3q tq perspective persp angled angle oblique iso "
    "isometric dreiviertel dreiviertelansicht perspektive schrag schraeg schragansicht troisquarts trequarti "
    "trescuartos driekwart perspectief perspectiva prospettiva",
    "detail": "detail details dtl dtls detailed closeup macro zoom texture crop detailansicht nahaufnahme makro "
    "detailbild detalle detalles dettaglio dettagli particolare particolari",
    "packaging": "packaging package pack pkg box boxed inbox carton verpackung verpackt karton ovp packung schachtel "
    "umverpackung emballage boite embalaje empaque caja confezione imballo imballaggio scatola verpakking doos",
    "lifestyle": "lifestyle life scene inuse insitu context environment room roomshot model onmodel worn mood milieu "
    "ambiente ambient ambiance ambientebild anwendung anwendungsbild szene wohnbeispiel stimmung situation "
    "ambientazione ambientato ambientata sfeer sfeerbeeld",
    "swatch": "swatch swch swatches fabric colorchip colourchip muster stoffmuster farbmuster farbkarte nuancier "
    "echantillon muestra campione kleurstaal staal",
    "facts": "dimensional dims facts fact ingr ingredients nutrition eegl energy energylabel label dimensions "
    "dimension sizechart "
    "sizeguide measurements infographic specs manual datasheet warning zutaten nahrwerte naehrwerte energielabel "
    "masse bemassung masszeichnung abmessungen datenblatt etikett grossentabelle etiquette medidas ingredientes "
    "misure etichetta ingredienti maten afmetingen",
    "pair": "pair paar paire par paio",
    "main": "main silo hero cover primary haupt hauptbild hauptansicht titel titelbild principale principal principaal "
    "hoofd hoofdfoto packshot",
}
"""Role to its words; ``main`` is no side but the shop's own choice of its best photo."""

WORDS: dict[str, str] = {word: role for role, text in VIEWS.items() for word in text.split()}

CODES: dict[str, str] = {
    **dict.fromkeys(("fr", "ft", "ms"), "front"),
    **dict.fromkeys(("bk", "rr"), "back"),
    **{"lt": "left", "rt": "right", "tp": "top", "sd": "side", "dt": "detail"},
    **{"pk": "packaging", "ls": "lifestyle", "sw": "swatch"},
}
"""Two letters behind a delimiter, which may as well say a colour (``BK``, ``SW``): they count beside others of them."""

FILLERS = words(
    "view ansicht vue vista aanzicht shot photo photos image images img pic picture bild foto fotos imagen immagine "
    "afbeelding face alt alternate additional extra zusatz zusatzbild"
)
"""Said beside a word or a number without adding anything: ``front_view``, ``bild_2``."""

RENDITIONS = words(
    "web print hires highres lowres lores original orig rgb cmyk srgb final retouched retouch edited edit freisteller "
    "freigestellt cutout clipped clipping transparent nobg optimized optimised compressed"
)
"""Another file of the same shot."""

THUMBNAILS = words("thumb thumbnail thumbs vorschau miniatur vignette miniatura")
"""A small copy of the same shot."""

TURNS = words("frame spin 360 turntable rotation drehung drehteller")
"""Beside a number: a frame of a turntable."""

GENERIC = words(
    "img image dsc dscn dscf dscx imgp pxl mvi gopr dji sam cimg pict picture photo photos foto fotos bild bilder pic "
    "pics scan scanned screenshot untitled unbenannt download file datei product products produkt artikel item items "
    "object objekt whatsapp mg crw burst camera kamera shot new neu snapchat render output unnamed"
)
"""Stems that cameras, phones and programs write: their numbers tell no product from another."""


def folded(text: str) -> str:
    """Lower case without accents: what the tables are asked with."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in plain if not unicodedata.combining(character))
