-- The files of a tiny text encoder with random weights (test/encoder/tiny_encoder.pl): \set family bert | xlm-roberta, then \i this
-- file. It sets weights (base64), config, tokenizer, modules, pooling and sentence. The client reads the files, so the server need
-- not be able to.
\setenv FAMILY :family
\set folder `d=$(mktemp -d) && perl test/encoder/tiny_encoder.pl "$d" "$FAMILY" && echo "$d"`
\setenv FOLDER :folder
\set weights `base64 -w0 "$FOLDER/model.safetensors"`
\set config `cat "$FOLDER/config.json"`
\set tokenizer `cat "$FOLDER/tokenizer.json"`
\set modules `cat "$FOLDER/modules.json"`
\set pooling `cat "$FOLDER/1_Pooling/config.json"`
\set sentence `cat "$FOLDER/sentence_bert_config.json"`
\set removed `rm -r "$FOLDER"`
