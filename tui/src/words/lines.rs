//! Texts of the line mode.

use super::texts;

texts! {
    key_lines: "linjemodus, for terminaler uten skjerm, eller tilbake" | "line mode, for terminals without a screen, or back";
    lines_choice: "valg> " | "choice> ";
    lines_why: "hvorfor> " | "why> ";
    lines_text: "tekst> " | "text> ";
    lines_file: "fil> " | "file> ";
    lines_password: "passord> " | "password> ";
    lines_ok: "ok: " | "ok: ";
    lines_error: "feil: " | "error: ";
    lines_unknown: "ukjent: " | "unknown: ";
    lines_sent: "sendt: " | "sent: ";
    lines_rows: "+ neste rad, - forrige rad, =TEKST raden med teksten" | "+ next row, - row before, =TEXT the row with the text";
    lines_others: " 0  andre sider, og konsollen selv" | " 0  other pages, and the console itself";
    lines_back: " 0  tilbake" | " 0  back";
    lines_more: "Enter viser mer, 0 går tilbake" | "Enter shows more, 0 goes back";
    lines_go_on: " 1  gå videre" | " 1  go on";
    lines_dot: "Et punktum alene avbryter." | "A full stop alone cancels.";
    lines_file_how: "Skriv eller lim inn hele filen. Et punktum alene på en linje er slutten, to avbryter."
        | "Write or paste the whole file. A full stop alone on a line is its end, two cancel.";
    lines_not_understood(typed): "«{typed}» er ikke noe av det som kan velges her" | "\"{typed}\" is none of the choices here";
    lines_no_row(text): "ingen rad har «{text}»" | "no row has \"{text}\"";
}
