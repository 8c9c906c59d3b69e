# manual.awk - makes the manual page xmcoh(1), in roff, of what `xmcoh --help` prints.
#
# The help has, in this order: "xmcoh - ..." (the name); "Usage:" with indented lines; paragraphs that begin with "xmcoh
# COMMAND"; headings that end in a colon. An option is indented by two columns; its description begins in column 27.

function text(line)
{
	gsub(/\\/, "\\e", line)
	gsub(/-/, "\\-", line)
	return (line ~ /^['.]/ ? "\\&" : "") line	# which roff would read as a request
}

NR == 1 {
	print ".TH XMCOH 1 \"\" \"xmcoh\" \"PostgreSQL extension xmcoh\"\n.SH NAME"
	sub(/^xmcoh - /, "xmcoh \\- ")
	print
	next
}
$0 == "" { next }
$0 == "Usage:" { print ".SH SYNOPSIS\n.nf"; usage = 1; next }
usage && /^ / { print text(substr($0, 3)); next }
usage { print ".fi\n.SH DESCRIPTION"; usage = 0 }
/^[A-Z].*:$/ { print ".SH " toupper(substr($0, 1, length - 1)); next }
/^xmcoh [a-z]+ / { print ".SS xmcoh " $2 }
/^[^ ]/ && !paragraph { print ".PP"; paragraph = 1 }
/^  [^ ]/ {
	gap = index(substr($0, 3), "  ")
	print ".TP\n.B " text(gap ? substr($0, 3, gap - 1) : substr($0, 3))
	if (gap)	# else the description begins in the next line
		print text(substr($0, 27))
	paragraph = 0
	next
}
{ sub(/^ +/, ""); print text($0) }
END { print ".SH SEE ALSO\n.BR psql (1)" }
