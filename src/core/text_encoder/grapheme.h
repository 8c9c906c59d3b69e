/* grapheme.h - extended grapheme clusters (UAX #29), by the properties of ICU, without an object of ICU */
#ifndef XMCOH_GRAPHEME_H
#define XMCOH_GRAPHEME_H

#include <stddef.h>

/* The end of the cluster that begins at `begin`, a boundary. Precondition: begin < length. */
extern size_t xmc_grapheme_end(const char *text, size_t begin, size_t length);

#endif
