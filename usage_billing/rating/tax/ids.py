"""Tax ids by their form and check digits, by python-stdnum; that one is registered only its register can tell."""


def is_tax_id(text: str, *, country: str) -> bool:
    """Whether ``text`` can be a VAT number of ``country`` (ISO 3166); any text where its numbers are not known."""
    from stdnum import get_cc_module  # it looks through a folder, which help does not need

    numbers = get_cc_module(country.lower(), "vat")
    return numbers is None or numbers.is_valid(text)
