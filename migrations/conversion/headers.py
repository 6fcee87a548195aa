"""The usual column names in exports of CRMs, forms and address books.

They come from HubSpot, Salesforce, Zoho, Pipedrive, Facebook, Google, Typeform, Mailchimp, Outlook,
Shopify, and people's spreadsheets.
"""

import re
from collections.abc import Collection, Iterator, Mapping

__all__ = ["found_columns", "is_bookkeeping", "normalised"]

_WHOSE = re.compile(r"^(person|lead|contact|deal|customer|user)\s*[-:.]+\s*", re.IGNORECASE)

_USUAL: Mapping[str, str] = {
    "id": "id recordid leadid contactid customerid personid entryid hsobjectid leid",
    "lead_number": "leadnumber leadno leadref leadreference referencenumber reference",
    "full_name": "fullname name leadname contactname displayname personname customername "
    "clientname yourname whatsyourname whatisyourname whatisyourfullname "
    "firstname+middlename+lastname firstname+lastname first+last givenname+familyname "
    "forename+surname firstname+surname "
    "fname+lname lastname firstname",
    "phone": "phone phonenumber mobile mobilephone mobilephonenumber mobilenumber cell cellphone "
    "telephone telephonenumber tel primaryphone contactnumber userphone phonemobile phonework "
    "phonehome phoneother phone1value homephone businessphone workphone otherphone phone2value "
    "whatsapp whatsappnumber defaultaddressphone",
    "email": "email emailaddress emailwork emailhome email1value primaryemail useremail emailother "
    "workemail",
    "status": "status leadstatus hsleadstatus leadstage stage dealstage lifecyclestage",
    "address1": "address1 address addressline1 street streetaddress address1street homestreet "
    "mailingstreet businessstreet postaladdress homeaddress defaultaddressaddress1 "
    "address1formatted fulladdress",
    "postal_code": "postalcode postcode zip zipcode zippostalcode postalzipcode address1postalcode "
    "homepostalcode mailingpostalcode mailingzippostalcode businesspostalcode defaultaddresszip "
    "zippostcode postalcodezip",
    "notes": "notes note comments comment message description remarks leadnotes",
    "assigned_agent": "assignedagent agent owner leadowner contactowner ownername owneridname "
    "recordowner assignedto assigneduser salesrep salesperson leadownername accountmanager "
    "agentname assignedagentname assignedagentusername ownerusername",
    "created_at": "createdat createdate createddate createdtime createtime created datecreated "
    "createdon createdonutc leadcreated leadcreatedtime personcreated dealcreated "
    "creationdate addtime dateadded "
    "submittedat submitdate submitdateutc leadsubmittime submittime submissiontime submissiondate "
    "leadsubmissiontime timestamp optintime confirmtime signupdate date",
}
"""Normalised names, the best one first. A + joins columns that make one value."""

_WORDS = {
    "full_name": re.compile("fullname|yourname"),
    "phone": re.compile("phone|mobile|telephone"),
    "email": re.compile("email"),
    "postal_code": re.compile("postcode|postalcode|zipcode"),
}
"""A word in the column's name if a form asks its own question. Only one column may have it."""

_BOOKKEEPING = (
    "updatedat updatedate updatedon modifiedat modifieddate modifiedtime lastmodified "
    "lastmodifieddate model type"
)
"""Columns nobody misses in a lead."""


def normalised(name: str) -> str:
    """Reduce a name to its letters and digits."""
    return re.sub(r"[\W_]", "", _WHOSE.sub("", name)).casefold()


def is_bookkeeping(column: str) -> bool:
    """Whether a column describes the row, not the lead."""
    return normalised(column) in _BOOKKEEPING.split()


def found_columns(field: str, columns: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """Find columns for a field, the best first. Several columns in one tuple make one value.

    columns: normalised name → name.
    """
    if own := columns.get(normalised(field)):
        yield (own,)
    for name in _USUAL.get(field, "").split():
        parts = name.split("+")
        if all(part in columns for part in parts):
            yield tuple(columns[part] for part in parts)
    yield from _by_word(field, columns)


def _by_word(field: str, columns: Mapping[str, str]) -> Collection[tuple[str, ...]]:
    word = _WORDS.get(field)
    named = [name for key, name in columns.items() if word and word.search(key)]
    return [(named[0],)] if len(named) == 1 else []
