/*
 * label.h - short texts in pictures: how wide a text is about, and where to cut it. A picture has no font, so widths are
 * estimates, in em (multiples of the font size): East Asian wide characters 1, others by their kind.
 */
#ifndef XMCOH_LABEL_H
#define XMCOH_LABEL_H

#include <stddef.h>

#define XMC_LABEL_BYTES 1024

/*
 * A copy of the beginning of `text`, at most XMC_LABEL_BYTES - 1 bytes: valid UTF-8 without characters that
 * markup.h replaces; a run of white space is one space, and there is none at the ends. Returns its length in bytes.
 */
extern size_t xmc_label_clean(const char *text, char out[XMC_LABEL_BYTES]);

/* The estimated width of a clean text, in em. */
extern double xmc_label_width(const char *text, size_t length);

/*
 * Cuts a clean text that is wider than `most` em between two grapheme clusters, and ends it with an ellipsis (U+2026). Returns its length in bytes.
 */
extern size_t xmc_label_cut(char text[XMC_LABEL_BYTES], size_t length, double most);

#endif
