// What a stream on the XMPP link is for, told by its `:path`.

/** One client's session. */
export const CLIENT_PATH = '/';
/** Stanzas of one pair of domains, from a partner outside to a domain of ours. */
export const FROM_PARTNER_PATH = '/from-partner';
/** The other way; core asked for it and the number that follows names its question. */
export const TO_PARTNER_PATH = '/to-partner/';
