/*
 * folder.h - the published files of a text encoder, read from a folder: for programs without a server.
 */
#ifndef TEST_FOLDER_H
#define TEST_FOLDER_H

#include "xmcoh/text_encoder.h"

#include <stdio.h>
#include <stdlib.h>

/* A file of the folder; without one, bytes is NULL. */
static inline xmc_published_file
folder_file(const char *folder, const char *name)
{
	char		path[4096];
	char	   *bytes = NULL;
	size_t		size = 0;
	FILE	   *file;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	file = fopen(path, "rb");
	if (!file)
		return (xmc_published_file) {0};
	for (size_t n = 1; n > 0; size += n)
	{
		bytes = realloc(bytes, size + (1 << 20));
		if (!bytes)
			exit(1);
		n = fread(bytes + size, 1, 1 << 20, file);
	}
	fclose(file);
	return (xmc_published_file) {bytes, size};
}

/* An encoder of the folder's files. */
static inline xmc_status
folder_encoder(xmc_ctx *ctx, const char *folder, xmc_text_encoder **encoder)
{
	const xmc_published_encoder published = {
		.weights = folder_file(folder, "model.safetensors"),
		.config = folder_file(folder, "config.json"),
		.tokenizer = folder_file(folder, "tokenizer.json"),
		.modules = folder_file(folder, "modules.json"),
		.pooling = folder_file(folder, "1_Pooling/config.json"),
		.sentence = folder_file(folder, "sentence_bert_config.json")
	};
	void	   *file;
	size_t		size;

	XMC_TRY(xmc_text_encoder_compile(ctx, &published, &file, &size));
	return xmc_text_encoder_open(ctx, file, size, encoder);
}

#endif
