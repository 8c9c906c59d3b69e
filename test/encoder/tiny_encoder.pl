#!/usr/bin/perl
# tiny_encoder.pl - writes a tiny text encoder with random weights for the tests: the files in which encoders are published.
#
# tiny_encoder.pl DIRECTORY bert | xlm-roberta [MORE [WIDE]]. Hidden size 16, 2 layers, 2 heads, 48 tokens at most. MORE: so many further
# words in the vocabulary, for a larger file. WIDE: numbers of the feed-forward network, 32 without it. The same call writes the same bytes. bert: F32 weights, WordPiece. xlm-roberta: F16 weights, the prefix "roberta.", Unigram with Metaspace.
use strict;
use warnings;
use utf8;
use File::Path qw(make_path);
use JSON::PP;

my ($HIDDEN, $LAYERS, $HEADS) = (16, 2, 2);
my $WORDS = 'a and at black box cut draw first fold glue in into it left line long lower of on one paint paper part place
	put red remove right second short side small step the then third to together top turn two under up wash with wood';
my $CHARACTERS = join '', 'a' .. 'z', 0 .. 9, q{!"'(),-./:;?}, map({ chr } 0x3041 .. 0x3093, 0x30a1 .. 0x30f3),
	'、。ー一二三上下切木板紙折塗';

my ($directory, $family, $more, $WIDE) = @ARGV;
$more //= 0;
$WIDE = 0 + ($WIDE // 32);	# a number in the JSON, too
die "usage: tiny_encoder.pl DIRECTORY bert | xlm-roberta [MORE [WIDE]]\n" unless @ARGV >= 2 && @ARGV <= 4 && $family =~ /^(bert|xlm-roberta)$/;
my $is_bert = $family eq 'bert';
my @words = ((split ' ', $WORDS), map { "more$_" } 1 .. $more);
my @characters = split //, $CHARACTERS;
my $json = JSON::PP->new->utf8->canonical->pretty;

# ---- writing files ----

sub write_bytes
{
	my ($name, $bytes) = @_;
	open my $file, '>:raw', "$directory/$name" or die "$directory/$name: $!\n";
	print $file $bytes;
	close $file or die "$directory/$name: $!\n";
}

sub write_json
{
	my ($name, $value) = @_;
	write_bytes($name, $json->encode($value));
}

# ---- the tokenizers ----

sub special_token
{
	my ($id, $content) = @_;
	return {id => $id, content => $content, special => JSON::PP::true, single_word => JSON::PP::false,
		lstrip => $content =~ /mask/i && !$is_bert ? JSON::PP::true : JSON::PP::false,
		rstrip => JSON::PP::false, normalized => JSON::PP::false};
}

# The template that puts one token before a text and one behind.
sub template
{
	my ($before, $before_id, $after, $after_id) = @_;
	my $token = sub { {SpecialToken => {id => $_[0], type_id => 0}} };
	my $sequence = sub { {Sequence => {id => $_[0], type_id => 0}} };
	return {
		type => 'TemplateProcessing',
		single => [$token->($before), $sequence->('A'), $token->($after)],
		pair => [$token->($before), $sequence->('A'), $token->($after), $sequence->('B'), $token->($after)],
		special_tokens => {
			$before => {id => $before, ids => [$before_id], tokens => [$before]},
			$after => {id => $after, ids => [$after_id], tokens => [$after]},
		},
	};
}

# Returns the number of tokens and the tokenizer.
sub word_piece
{
	my @special = ('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]');
	my %id;
	for my $token (@special, @characters, (map { "##$_" } @characters), @words)
	{
		my $next = scalar keys %id;
		$id{$token} //= $next;
	}
	return (scalar keys %id, {
		version => '1.0', truncation => undef, padding => undef,
		added_tokens => [map { special_token($id{$_}, $_) } @special],
		normalizer => {type => 'BertNormalizer', clean_text => JSON::PP::true, handle_chinese_chars => JSON::PP::true,
			strip_accents => undef, lowercase => JSON::PP::true},
		pre_tokenizer => {type => 'BertPreTokenizer'},
		post_processor => template('[CLS]', $id{'[CLS]'}, '[SEP]', $id{'[SEP]'}),
		decoder => {type => 'WordPiece', prefix => '##', cleanup => JSON::PP::true},
		model => {type => 'WordPiece', unk_token => '[UNK]', continuing_subword_prefix => '##',
			max_input_chars_per_word => 100, vocab => \%id},
	});
}

# The first tokens are XLM-RoBERTa's; a word costs less than its characters.
sub unigram
{
	my @vocabulary = map { [$_, 0.0] } ('<s>', '<pad>', '</s>', '<unk>');
	my $rank = 0;
	push @vocabulary, [$_, -3 - $rank++ / 64] for "\x{2581}", (map { "\x{2581}$_" } @words), @words;
	push @vocabulary, [$_, -6 - $rank++ / 64] for grep { $_ ne 'a' } @characters;
	push @vocabulary, ['<mask>', 0.0];
	my $mask = $#vocabulary;
	return (scalar @vocabulary, {
		version => '1.0', truncation => undef, padding => undef,
		added_tokens => [(map { special_token($_, $vocabulary[$_][0]) } 0 .. 3), special_token($mask, '<mask>')],
		normalizer => {type => 'NFKC'},
		pre_tokenizer => {type => 'Sequence', pretokenizers => [{type => 'WhitespaceSplit'},
			{type => 'Metaspace', replacement => "\x{2581}", prepend_scheme => 'always', split => JSON::PP::true}]},
		post_processor => template('<s>', 0, '</s>', 2),
		decoder => {type => 'Metaspace', replacement => "\x{2581}", prepend_scheme => 'always', split => JSON::PP::true},
		model => {type => 'Unigram', unk_id => 3, vocab => \@vocabulary, byte_fallback => JSON::PP::false},
	});
}

# ---- the weights ----

# A linear congruential generator; its upper bits give whole numbers from -127 to 127.
my $state = 20_240_501;

sub draw
{
	$state = ($state * 1_103_515_245 + 12_345) % 2**31;
	return int($state / 2**16) % 255 - 127;
}

# The bits of a number k / 2^8 with |k| < 2^11 as half precision, which holds such a number exactly.
sub half
{
	my ($k) = @_;
	return 0 if $k == 0;
	my ($sign, $bits, $exponent) = ($k < 0 ? 0x8000 : 0, abs $k, 10 - 8 + 15);
	while ($bits < 1024) { $bits *= 2; $exponent-- }
	return $sign | $exponent << 10 | ($bits - 1024);
}

my %tensor;						# name => [type, shape, bytes]

# A tensor of values around `center` (0 or 1), at most `spread` 127ths of a half away from it.
sub add_tensor
{
	my ($name, $center, $spread, @shape) = @_;
	my $count = 1;
	$count *= $_ for @shape;
	my @value = map { 256 * $center + int($spread * draw() / 127) } 1 .. $count;
	$tensor{$name} = $is_bert ? ['F32', \@shape, pack('f<*', map { $_ / 256 } @value)]
		: ['F16', \@shape, pack('v*', map { half($_) } @value)];
}

sub add_linear
{
	my ($name, $outputs, $inputs) = @_;
	add_tensor("$name.weight", 0, 127, $outputs, $inputs);
	add_tensor("$name.bias", 0, 20, $outputs);
}

sub add_norm
{
	my ($name) = @_;
	add_tensor("$name.weight", 1, 40, $HIDDEN);
	add_tensor("$name.bias", 0, 20, $HIDDEN);
}

sub add_weights
{
	my ($tokens, $positions, $types) = @_;
	my $prefix = $is_bert ? '' : 'roberta.';
	$tensor{'embeddings.position_ids'} = ['I64', [1, $positions], pack('q<*', 0 .. $positions - 1)] if $is_bert;
	add_tensor("${prefix}embeddings.word_embeddings.weight", 0, 127, $tokens, $HIDDEN);
	add_tensor("${prefix}embeddings.position_embeddings.weight", 0, 60, $positions, $HIDDEN);
	add_tensor("${prefix}embeddings.token_type_embeddings.weight", 0, 60, $types, $HIDDEN);
	add_norm("${prefix}embeddings.LayerNorm");
	for my $layer (map { "${prefix}encoder.layer.$_" } 0 .. $LAYERS - 1)
	{
		add_linear("$layer.attention.self.$_", $HIDDEN, $HIDDEN) for qw(query key value);
		add_linear("$layer.attention.output.dense", $HIDDEN, $HIDDEN);
		add_norm("$layer.attention.output.LayerNorm");
		add_linear("$layer.intermediate.dense", $WIDE, $HIDDEN);
		add_linear("$layer.output.dense", $HIDDEN, $WIDE);
		add_norm("$layer.output.LayerNorm");
	}
	add_linear("${prefix}pooler.dense", $HIDDEN, $HIDDEN);
}

# An 8-byte length, a JSON header, the data. Wide elements come first, so that each tensor is aligned.
sub safetensors
{
	my %header = (__metadata__ => {format => 'pt'});
	my $data = '';
	for my $name (sort { ($tensor{$b}[0] eq 'I64') <=> ($tensor{$a}[0] eq 'I64') || $a cmp $b } keys %tensor)
	{
		my ($type, $shape, $bytes) = @{$tensor{$name}};
		$header{$name} = {dtype => $type, shape => $shape, data_offsets => [length $data, length($data) + length $bytes]};
		$data .= $bytes;
	}
	my $text = JSON::PP->new->utf8->canonical->encode(\%header);
	$text .= ' ' x (-length($text) % 8);
	return pack('Q<', length $text) . $text . $data;
}

# ---- all files ----

my ($tokens, $tokenizer) = $is_bert ? word_piece() : unigram();
my ($positions, $types) = $is_bert ? (64, 2) : (66, 1);
make_path("$directory/1_Pooling");
add_weights($tokens, $positions, $types);
write_bytes('model.safetensors', safetensors());
write_json('tokenizer.json', $tokenizer);
write_json('config.json', {
	architectures => [$is_bert ? 'BertModel' : 'XLMRobertaModel'], model_type => $family,
	attention_probs_dropout_prob => 0.1, hidden_dropout_prob => 0.1, hidden_act => 'gelu', hidden_size => $HIDDEN,
	initializer_range => 0.02, intermediate_size => $WIDE, layer_norm_eps => $is_bert ? 1e-12 : 1e-5,
	max_position_embeddings => $positions, num_attention_heads => $HEADS, num_hidden_layers => $LAYERS,
	pad_token_id => $is_bert ? 0 : 1, position_embedding_type => 'absolute', type_vocab_size => $types,
	use_cache => JSON::PP::true, vocab_size => $tokens,
	$is_bert ? () : (bos_token_id => 0, eos_token_id => 2, output_past => JSON::PP::true),
});
write_json('modules.json', [
	{idx => 0, name => '0', path => '', type => 'sentence_transformers.models.Transformer'},
	{idx => 1, name => '1', path => '1_Pooling', type => 'sentence_transformers.models.Pooling'},
	{idx => 2, name => '2', path => '2_Normalize', type => 'sentence_transformers.models.Normalize'},
]);
write_json('1_Pooling/config.json', {
	word_embedding_dimension => $HIDDEN, pooling_mode_cls_token => JSON::PP::false,
	pooling_mode_mean_tokens => JSON::PP::true, pooling_mode_max_tokens => JSON::PP::false,
	pooling_mode_mean_sqrt_len_tokens => JSON::PP::false,
});
write_json('sentence_bert_config.json', {max_seq_length => 48, do_lower_case => JSON::PP::false});
