"""The words a make-believe site is put together from. The people are made up, the addresses example.org and .edu."""

from __future__ import annotations

import unicodedata
from typing import Final

import numpy as np

from rcbill_assets.demo.columns import Texts

REDCAP_VERSION: Final = "14.5.5"
REDCAP_BASE_URL: Final = "https://redcap.example.org/redcap/"

TEMPLATE_TITLES: Final = (
    "Classic Database",
    "Longitudinal Database (1 arm)",
    "Longitudinal Database (2 arms)",
    "Single Survey",
    "Basic Demography",
    "Project Tracking Database",
    "Randomized Clinical Trial",
    "Human Tissue Biobank",
    "Multiple Surveys (classic)",
    "Multiple Surveys (longitudinal)",
    "Piping Example Project",
    "Repeating Instruments",
    "Field Embedding Example Project",
    "e-Consent Example",
)
"""Titles of REDCap's own template projects, project ids 1-14."""

STAFF_UI_IDS: Final = (1, 2, 3, 4, 5, 6)
"""ui_id of the users who work, or worked, in the REDCap team."""

_FIRST_NAMES: Final = """
Abel Ada Aiko Alba Alma Amara Anaïs Anders Anouk Ari Asha Aurel Bao Bea Benno Bianca Björn Bruno Carys Chiara Cleo
Dario Dalia Deniz Dina Edda Eira Elif Elio Emeka Enzo Esra Eva Farid Fay Femi Finn Freya Gia Goran Greta Gus Hana Hugo
Ida Ilse Imani Ines Ivo Jana Jens João José Juno Kai Kamala Keiko Kofi Lars Leila Lena Léo Lina Liv Luca Łucja Mads
Maël Mara Marek Max Mei Mika Mina Nadia Nils Noor Nuria Oksana Ola Omar Orla Oto Paola Pavel Petra Pia Qing Rafa Rhea
Rosa Rui Ruta Sami Sanna Selma Signe Sofía Sol Soren Tao Tara Thandi Théo Tilda Uma Vera Vic Wanda Wes Xenia Yan Yara
Yusuf Zara Zoe
""".split()

_LAST_NAMES: Final = """
Abara Abel Adeyemi Aldana Almeida Amsel Andersson Asante Baptiste Barros Beck Berg Bianchi Bielak Boateng Bose Brandt
Cal Castro Chevalier Chen Choi Cruz Dahl Dalgaard Demir Desai D'Arcy Diaz Dlamini Egan Eklund Esposito Falk Farah
Fischer Fontaine Fujita Gallo García-Ruiz Ghosh Goto Grünwald Haddad Hale Hansen Hoang Horváth Ibsen Ikeda Ivanova
Jain Jansen Jung Kaya Keita Kerr Khan Kim Kowalczyk Kumar Laine Larsen Lee Lemaire Lindqvist Lund Mahlangu Malik
Marchetti Mensah Meyer Mora Müller Nakamura Nash Navarro Nguyen Nielsen Novak Núñez Oduya Okafor Okoye Olsen O'Neil
Ortega Osei Park Patel Pereira Petit Popescu Quon Rahman Reyes Ricci Rossi Roy Sandoval Santos Sato Schäfer Sharma
Silva Singh Sørensen Suzuki Takács Tanaka Toth Traoré Tran Ueda Vance Varga Vidal Wang Weiss Wolf Xu Yamada
Yoon Zapata Zhang Zielińska
""".split()


def _phrases(text: str) -> Texts:
    """Phrases that stand between | or line ends."""
    return np.array(text.strip().replace("\n", "|").split("|"))


TOPICS: Final = _phrases("""
Asthma|Sleep Apnea|Hand Hygiene|Type 1 Diabetes|Type 2 Diabetes|Knee Replacement|Stroke|Sickle Cell
Pediatric Obesity|Migraine|Heart Failure|Atrial Fibrillation|Breast Cancer|Lung Screening|Melanoma
Kidney Transplant|Dialysis|Sepsis|Falls|Pressure Injury|Opioid Use|Smoking Cessation|Maternal Health
Neonatal Jaundice|Preterm Birth|Long COVID|Influenza Vaccination|HIV Prevention|Hepatitis C|Tuberculosis Contact
Dementia|Parkinson's|Traumatic Brain Injury|Spinal Cord Injury|Low Back Pain|Physical Therapy|Music Therapy
Mindfulness|Telehealth|Burnout|Nurse Residency|Resident Wellness|Simulation Training|Medication Errors
Antibiotic|Dental Caries|Glaucoma|Hearing Aid|Food Insecurity|Air Quality|Heat Exposure|Tick-borne Disease
Canine Lymphoma|Equine Colic|Gut Microbiome|Genetic Counseling|Rare Disease|Biospecimen|Imaging|Wearable Sensor
Exercise|Mediterranean Diet|Vitamin D
""")

KINDS: Final = _phrases("""
Registry|Cohort|Survey|Pilot|Trial|Chart Review|Follow-up|Intake|Screening|Feasibility Study|Quality Project
Case Series|Biobank|Data Mart|Staff Schedule|Evaluation|Needs Assessment|Outcomes|Randomized Trial
Retrospective Review|Log|Focus Groups|Sub-study|Interviews|Consent & Enrollment|Adverse Events|Sample Tracking
""")

QUALIFIERS: Final = np.array(
    "||||Rural |Adult |Pediatric |Multi-site |Statewide |Outpatient |ICU |Veterans' |Phase II |Phase III |Community "
    "|Emergency |R01 |Student ".split("|")
)

ENDINGS: Final = np.array(["", "", "", "", "", "", " (Copy)", " v2", " 2.0", " - Year 2", " TEST", " [Site B]"])

ROLE_NAMES: Final = np.array(["Data entry", "Study coordinator"])

_PLAIN: Final = str.maketrans({"ł": "l", "ø": "o", "ß": "ss", "æ": "ae"})


def plain(name: str) -> str:
    """What a name becomes in a username: lower case a-z only, e.g. `Grünwald` -> `grunwald`."""
    decomposed = unicodedata.normalize("NFKD", name.lower().translate(_PLAIN))
    return "".join(letter for letter in decomposed if "a" <= letter <= "z")


FIRST_NAMES: Final[Texts] = np.array(_FIRST_NAMES)
FIRST_PLAIN: Final[Texts] = np.array([plain(name) for name in _FIRST_NAMES])
LAST_NAMES: Final[Texts] = np.array(_LAST_NAMES)
LAST_PLAIN: Final[Texts] = np.array([plain(name) for name in _LAST_NAMES])
