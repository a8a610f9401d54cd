//! Names of the agencies that appear in the public cases.

/// Name for people, or the id itself for an agency not listed here.
pub(super) fn display_name(agency: &str) -> &str {
    NAMES
        .iter()
        .find(|(id, _)| *id == agency)
        .map_or(agency, |(_, name)| name)
}

const NAMES: [(&str, &str); 30] = [
    ("au-abf", "Australian Border Force"),
    ("au-afp", "Australian Federal Police"),
    ("ca-alert", "Alberta Law Enforcement Response Teams"),
    ("ca-cbsa", "Canada Border Services Agency"),
    ("ca-rcmp", "Royal Canadian Mounted Police"),
    ("ca-wps", "Winnipeg Police Service"),
    ("cn-nncc", "China National Narcotics Control Commission"),
    ("gb-met", "Metropolitan Police Service, London"),
    ("gb-nca", "National Crime Agency, United Kingdom"),
    ("gt-pnc", "National Civil Police of Guatemala"),
    ("ie-hse", "Health Service Executive, Ireland"),
    ("in-dri", "Directorate of Revenue Intelligence, India"),
    ("in-mumbai-anc", "Mumbai Police, Anti Narcotics Cell"),
    ("mx-pgr", "Office of the Attorney General of Mexico"),
    ("mx-sedena", "Secretariat of National Defence, Mexico"),
    ("mx-semar", "Secretariat of the Navy, Mexico"),
    ("nz-police", "New Zealand Police"),
    ("us-cbp", "U.S. Customs and Border Protection"),
    ("us-dea", "U.S. Drug Enforcement Administration"),
    ("us-doj", "U.S. Department of Justice"),
    ("us-fbi", "U.S. Federal Bureau of Investigation"),
    ("us-hsi", "U.S. Homeland Security Investigations"),
    ("us-ne-nsp", "Nebraska State Patrol"),
    ("us-ny-qda", "Queens District Attorney, New York"),
    (
        "us-usao-edny",
        "U.S. Attorney, Eastern District of New York",
    ),
    ("us-usao-mdfl", "U.S. Attorney, Middle District of Florida"),
    ("us-usao-nd", "U.S. Attorney, District of North Dakota"),
    ("us-usao-ndoh", "U.S. Attorney, Northern District of Ohio"),
    (
        "us-usao-sdms",
        "U.S. Attorney, Southern District of Mississippi",
    ),
    ("us-usao-vt", "U.S. Attorney, District of Vermont"),
];
