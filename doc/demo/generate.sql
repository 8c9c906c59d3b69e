-- generate.sql - work instructions of a workshop, made up from templates: six procedures in English and Japanese
--
-- A template is one step of a procedure; {a|b|c} is a free choice. An instruction takes some openers, most of the middle steps and
-- some closers, in order. One step in five only says "as shown in the photo", one in twenty has no text.
CREATE TABLE demo_template (language text, procedure text, phase int, template text);

INSERT INTO demo_template VALUES
-- every procedure begins and ends alike
('en', '', 1, '{Read the safety sheet|Check the work order} and {put on gloves|put on your safety glasses|clear the bench}.'),
('en', '', 2, '{Switch off|Shut down|Disconnect} the {machine|unit|equipment} and {pull the plug|lock the main switch}.'),
('en', '', 3, '{Let it cool down|Wait} for {five|ten|twenty} minutes and {lay out|prepare|get} the tools.'),
('en', '', 31, '{Wipe off|Clean away} {all residue|oil and dust} and {check for leaks|check that nothing is loose}.'),
('en', '', 32, '{Plug it in|Connect the power|Unlock the main switch} and {start|run} a {short |first |}test.'),
('en', '', 33, '{Write the date|Note the result|Sign} in the {log book|maintenance record} and {return the tools|tidy up}.'),
('ja', '', 1, '{安全シート|作業指示書}を{確認し|読み}、{手袋を着用する|保護めがねを着用する|作業台を片付ける}。'),
('ja', '', 2, '{装置|機械|本体}の電源を{切り|落とし}、{プラグを抜く|主電源をロックする}。'),
('ja', '', 3, '{五分|十分|二十分}ほど{冷めるまで待ち|待って}、工具を{準備する|並べる}。'),
('ja', '', 31, '{汚れ|油とほこり}を{拭き取り|取り除き}、{漏れがないか|緩みがないか}確認する。'),
('ja', '', 32, '{プラグを差し込み|電源を入れ|ロックを解除し}、{試運転を行う|短く運転する}。'),
('ja', '', 33, '{記録簿|点検表}に{結果を記入し|署名し}、{工具を片付ける|工具を戻す}。'),
('en', 'pump', 11, '{Close|Shut} the {inlet|suction} valve and {drain|empty} the {pump|casing}.'),
('en', 'pump', 12, '{Loosen|Undo} the {four|six|eight} {bolts|screws} of the pump cover with a {13|17} mm wrench.'),
('en', 'pump', 13, '{Lift off|Remove} the cover and {take out|pull out} the worn {seal|gasket|impeller}.'),
('en', 'pump', 14, '{Clean|Wipe} the {sealing face|seat} {with a lint-free cloth|with solvent}.'),
('en', 'pump', 15, '{Insert|Fit} the new {seal|gasket|impeller} with {a little|some} grease.'),
('en', 'pump', 16, '{Put the cover back|Refit the cover} and tighten the {bolts|screws} {crosswise|to 25 Nm}.'),
('ja', 'pump', 11, '{吸込側|入口}のバルブを{閉め|閉じ}、ポンプの{液を抜く|中を空にする}。'),
('ja', 'pump', 12, 'カバーの{ボルト|ねじ}を{四本|六本|八本}{緩める|外す}。'),
('ja', 'pump', 13, 'カバーを{持ち上げ|取り外し}、摩耗した{シール|パッキン|羽根車}を取り出す。'),
('ja', 'pump', 14, '{合わせ面|座面}を{布で拭く|溶剤で清掃する}。'),
('ja', 'pump', 15, '新しい{シール|パッキン|羽根車}に{グリースを塗って|少し油をつけて}取り付ける。'),
('ja', 'pump', 16, 'カバーを{戻し|元の位置に置き}、{ボルト|ねじ}を{対角に|規定の力で}締める。'),
('en', 'bicycle wheel', 11, '{Open|Release} the brake and {loosen|undo} the {quick release|axle nuts}.'),
('en', 'bicycle wheel', 12, '{Lift|Take} the {front|rear} wheel out of the {fork|frame}.'),
('en', 'bicycle wheel', 13, '{Lever|Work} the tyre off the rim and {pull out|remove} the {old|punctured} tube.'),
('en', 'bicycle wheel', 14, '{Feel|Search} inside the tyre for {glass|thorns|nails} and {replace|check} the rim tape.'),
('en', 'bicycle wheel', 15, '{Inflate the new tube slightly|Put a little air into the new tube} and {lay|tuck} it into the tyre.'),
('en', 'bicycle wheel', 16, '{Pump the tyre up|Inflate} to {four|five|six} bar, {set the wheel back|put the wheel in} and close the {quick release|nuts}.'),
('ja', 'bicycle wheel', 11, 'ブレーキを{開き|緩め}、{クイックレリーズ|車軸のナット}を緩める。'),
('ja', 'bicycle wheel', 12, '{前輪|後輪}を{フレーム|フォーク}から{外す|抜く}。'),
('ja', 'bicycle wheel', 13, 'タイヤを{レバーで|手で}外し、{古い|穴の開いた}チューブを{抜く|取り出す}。'),
('ja', 'bicycle wheel', 14, 'タイヤの内側に{ガラス|とげ|釘}がないか{調べる|手で触って確かめる}。'),
('ja', 'bicycle wheel', 15, '新しいチューブに{少し|軽く}空気を入れ、タイヤに{収める|入れる}。'),
('ja', 'bicycle wheel', 16, '{四|五|六}気圧まで空気を入れ、車輪を{戻して|はめて}固定する。'),
('en', 'coffee machine', 11, '{Empty|Take out} the {drip tray|water tank} and {throw away|discard} the old {water|grounds}.'),
('en', 'coffee machine', 12, '{Open the flap|Open the side door} and {pull out|remove} the brewing group.'),
('en', 'coffee machine', 13, '{Rinse|Wash} the brewing group under {warm|running} water {without soap|} and {shake it dry|let it dry}.'),
('en', 'coffee machine', 14, '{Grease|Oil} the {seals|rails} and {push|slide} the brewing group back until it {clicks|locks}.'),
('en', 'coffee machine', 15, '{Dissolve|Put} {one|two} descaling {tablets|sachets} in the tank and {fill it up|add a litre of water}.'),
('en', 'coffee machine', 16, '{Run|Start} the descaling programme, then {rinse|flush} {twice|three times} with {fresh|clear} water.'),
('ja', 'coffee machine', 11, '{受け皿|水タンク}を{外し|空にし}、古い{水|かす}を捨てる。'),
('ja', 'coffee machine', 12, '{扉|ふた}を開け、抽出ユニットを{引き出す|取り外す}。'),
('ja', 'coffee machine', 13, '抽出ユニットを{ぬるま湯|流水}で{すすぎ|洗い}、{水気を切る|乾かす}。'),
('ja', 'coffee machine', 14, '{パッキン|レール}に{油を差し|グリースを塗り}、ユニットを{押し込む|戻す}。'),
('ja', 'coffee machine', 15, '除石灰剤を{一つ|二つ}タンクに{入れ|溶かし}、水を{満たす|一リットル加える}。'),
('ja', 'coffee machine', 16, '除石灰プログラムを{実行し|開始し}、きれいな水で{二回|三回}すすぐ。'),
('en', 'air filter', 11, '{Find|Locate} the filter housing and {release|open} the {clips|latches} on {both sides|the lid}.'),
('en', 'air filter', 12, '{Take out|Lift out} the {dirty|clogged} filter and {put it in a bag|seal it in foil}.'),
('en', 'air filter', 13, '{Vacuum|Blow out} the {housing|intake duct} {from top to bottom|carefully}.'),
('en', 'air filter', 14, '{Unpack|Check} the new filter and {compare|match} its {part number|size} with the old one.'),
('en', 'air filter', 15, '{Set|Place} the new filter with the arrow {in the direction of flow|towards the fan}.'),
('en', 'air filter', 16, '{Close|Snap shut} the {clips|latches} and {reset|clear} the filter {alarm|counter}.'),
('ja', 'air filter', 11, 'フィルターケースの{留め具|クリップ}を{両側とも|順に}{外す|開ける}。'),
('ja', 'air filter', 12, '{汚れた|詰まった}フィルターを取り出し、袋に{入れる|密封する}。'),
('ja', 'air filter', 13, '{ケース|吸気ダクト}の内側を{掃除機で吸う|エアで吹く}。'),
('ja', 'air filter', 14, '新しいフィルターの{型番|寸法}を古いものと{照合する|比べる}。'),
('ja', 'air filter', 15, '新しいフィルターを矢印が{流れの向き|ファンの方}になるように{置く|入れる}。'),
('ja', 'air filter', 16, '{留め具|クリップ}を閉じ、フィルターの{警報|カウンター}をリセットする。'),
('en', 'drill', 11, '{Remove|Unscrew} the {housing screws|back cover} and {open|split} the drill.'),
('en', 'drill', 12, '{Unhook|Lift} the springs and {take out|pull out} the worn {brushes|carbon brushes}.'),
('en', 'drill', 13, '{Measure|Check} the {commutator|armature} and {polish|clean} it with {fine paper|a brush}.'),
('en', 'drill', 14, '{Slide|Push} the new brushes into their {holders|guides} and {hook|clip} the springs on.'),
('en', 'drill', 15, '{Grease|Lubricate} the {gears|bearings} {sparingly|with lithium grease}.'),
('en', 'drill', 16, '{Close the housing|Join the halves} and {drive in|tighten} the screws {evenly|by hand}.'),
('ja', 'drill', 11, 'ドリルの{外側のねじ|裏ぶた}を外し、本体を{開ける|分ける}。'),
('ja', 'drill', 12, 'ばねを{外し|持ち上げ}、減った{ブラシ|カーボン}を{抜く|取り出す}。'),
('ja', 'drill', 13, '{整流子|電機子}を{測り|点検し}、{細かい紙やすり|はけ}で磨く。'),
('ja', 'drill', 14, '新しいブラシを{ホルダー|溝}に{入れ|差し込み}、ばねを掛ける。'),
('ja', 'drill', 15, '{歯車|軸受}に{少量の|リチウム}グリースを{塗る|差す}。'),
('ja', 'drill', 16, '本体を{閉じ|合わせ}、ねじを{均等に|手で}締める。'),
('en', 'battery', 11, '{Disconnect|Take off} the {negative|black} cable, then the {positive|red} one.'),
('en', 'battery', 12, '{Undo|Remove} the {bracket|clamp} and {lift|heave} the old battery out {by its handle|with both hands}.'),
('en', 'battery', 13, '{Brush|Clean} the {terminals|tray} with {baking soda|a wire brush}.'),
('en', 'battery', 14, '{Set|Lower} the new battery into the {tray|holder} and {fasten|tighten} the {bracket|clamp}.'),
('en', 'battery', 15, '{Connect|Attach} the {positive|red} cable, then the {negative|black} one.'),
('en', 'battery', 16, '{Coat|Grease} the terminals with {petroleum jelly|contact grease} and {measure|check} the voltage.'),
('ja', 'battery', 11, '{マイナス|黒}のケーブルを外し、続いて{プラス|赤}を外す。'),
('ja', 'battery', 12, '{固定具|押さえ}を{緩め|外し}、古い電池を{両手で|取っ手で}持ち上げる。'),
('ja', 'battery', 13, '{端子|受け皿}を{重曹|ワイヤーブラシ}で{清掃する|磨く}。'),
('ja', 'battery', 14, '新しい電池を{受け皿|台}に{置き|下ろし}、{固定具|押さえ}を締める。'),
('ja', 'battery', 15, '{プラス|赤}のケーブルをつなぎ、続いて{マイナス|黒}をつなぐ。'),
('ja', 'battery', 16, '端子に{ワセリン|接点グリース}を塗り、電圧を{測る|確認する}。');

-- Makes every free choice in a template, innermost first.
CREATE FUNCTION demo_choose(template text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    choice text;
    options text[];
BEGIN
    LOOP
        choice := substring(template FROM '\{[^{}]*\}');
        EXIT WHEN choice IS NULL;
        options := string_to_array(btrim(choice, '{}'), '|');
        template := overlay(template PLACING options[1 + floor(random() * cardinality(options))::int]
                            FROM position(choice IN template) FOR length(choice));
    END LOOP;
    RETURN template;
END $$;

-- A standard normal number (Box-Muller).
CREATE FUNCTION demo_normal() RETURNS float8 LANGUAGE sql AS
    'SELECT sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())';

-- The photo of a step as 32 numbers: how far the work has come (0 to 1) along a fixed direction, what the step shows in every document
-- (the scene), what is the same in every photo of the document (the place, the light), and noise. So photos tell the order and the
-- step, but less than perfectly.
CREATE FUNCTION demo_photo(progress float8, scene float8[], place float8[], noise float8) RETURNS real[] LANGUAGE sql AS $$
    SELECT array_agg((progress * sin(1.7 * k) / 8 + scene[k] + place[k] + noise * demo_normal())::real ORDER BY k)
      FROM generate_series(1, 32) AS k
$$;

CREATE FUNCTION demo_generate(documents int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    procedures text[] := '{pump,bicycle wheel,coffee machine,air filter,drill,battery}';
    the_language text;
    the_procedure text;
    place float8[];
    sizes int[];      -- openers, middle steps, closers
    steps text[];
    scenes text[];
BEGIN
    PERFORM setseed(0.42);
    CREATE TEMPORARY TABLE demo_scene ON COMMIT DROP AS
        SELECT t.procedure || t.phase AS name, (SELECT array_agg(0.45 * demo_normal()) FROM generate_series(1, 32) WHERE t.phase > 0) AS scene
          FROM (SELECT DISTINCT procedure, phase FROM demo_template ORDER BY 1, 2) AS t;
    FOR d IN 1 .. documents LOOP
        the_language := CASE WHEN random() < 0.5 THEN 'en' ELSE 'ja' END;
        the_procedure := procedures[1 + floor(random() * 6)::int];
        place := (SELECT array_agg(0.5 * demo_normal()) FROM generate_series(1, 32));
        sizes := ARRAY[1 + round(random()), 3 + floor(random() * 3), 1 + round(random())];   -- five to nine steps
        SELECT array_agg(demo_choose(template) ORDER BY phase), array_agg(procedure || phase ORDER BY phase) INTO steps, scenes
          FROM (SELECT procedure, phase, template, phase / 10 AS part, row_number() OVER (PARTITION BY phase / 10 ORDER BY random()) AS n
                  FROM demo_template
                 WHERE language = the_language AND procedure IN ('', the_procedure)) AS shuffled
         WHERE n <= sizes[CASE part WHEN 3 THEN 3 ELSE part + 1 END];
        -- Rows are stored in random order, so that their keys do not give the order away.
        INSERT INTO work_step (manual_id, step_no, language, instruction, photo, approved)
        SELECT format('%s %s', the_procedure, d), n, the_language,
               CASE WHEN chance < 0.05 THEN NULL
                    WHEN chance > 0.25 THEN step
                    WHEN the_language = 'en' THEN demo_choose('{Work|Proceed|Go on} as {shown|you see} in the photo.')
                    ELSE demo_choose('{写真|図}の{とおりに|ように}{作業する|進める}。') END,
               -- one photo in twelve was never taken
               CASE WHEN random() > 1 / 12.0 THEN demo_photo((n - 1.0) / (cardinality(steps) - 1),
                   (SELECT scene FROM demo_scene WHERE name = scenes[n]), place, 0.45) END,
               d <= documents * 0.6
          FROM (SELECT step, n, random() AS chance FROM unnest(steps) WITH ORDINALITY AS s (step, n)) AS drawn
         ORDER BY random();
    END LOOP;
END $$;
