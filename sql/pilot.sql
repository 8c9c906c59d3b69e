-- pilot.sql - what a pilot brings: how much may pass without a person, what that saves, what it has cost

CREATE FUNCTION xmcoh.coverage(model text, "precision" double precision DEFAULT 0.95, level text DEFAULT 'document',
                               by text DEFAULT NULL)
    RETURNS TABLE ("group" text, documents integer, judged bigint,
                   share double precision, share_low double precision, share_high double precision, threshold double precision,
                   precision_reached double precision, precision_low double precision, precision_high double precision, remark text)
    AS 'MODULE_PATHNAME', 'xmcoh_coverage' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100000 ROWS 1;
COMMENT ON FUNCTION xmcoh.coverage(text, double precision, text, text) IS
    'Share that may pass without a person if at least the share precision of what passes must be right, with a probability of 90%. level: document (whole orders), pair, violation (wrongly stored pairs that are found). by: a column; a row for each of its values, at the threshold of all. See doc/method.md';

CREATE FUNCTION xmcoh.pilot_report(model text, minutes_per_document double precision, minutes_per_review double precision,
                                   cost_per_hour double precision, documents_per_month double precision, language text DEFAULT 'en')
    RETURNS TABLE (measure text, value double precision, low double precision, high double precision, unit text, sentence text)
    AS 'MODULE_PATHNAME', 'xmcoh_pilot_report' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000000 ROWS 13;
COMMENT ON FUNCTION xmcoh.pilot_report(text, double precision, double precision, double precision, double precision, text) IS
    'What a pilot takes and brings: decisions and their cost, tau, acc, pmr, what passes without a person at a precision of 0.95, errors found, hours and money saved a month, months to break even; 95% intervals, a sentence in language en or ja. NULL: too few to tell';
