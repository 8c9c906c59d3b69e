-- log.sql - the part of the tour that needs a text encoder: the lines of an operation log and their manual. The files of the encoder lie in
-- the folder that the environment variable DEMO_ENCODER names.
\echo
\echo '13. A log and its manual. The second modality may be text, too: where a photo would be, a row has what a machine or an operator has'
\echo '   logged. A text encoder makes vectors of both texts, so that different words for the same thing can meet.'
\echo

\! xmcoh encoder load minilm "$DEMO_ENCODER"
SELECT encoder, family, layers, dim, max_tokens, left(sha256, 12) AS sha256_begins FROM xmcoh.encoders;

\echo
\echo '   60 runs of five procedures in which somebody has entered each line of the log beside its step (doc/demo/log.sql makes them up).'
\echo

CREATE TABLE demo_log_template (procedure text, phase int, message text);
INSERT INTO demo_log_template VALUES
('', 1, '{safety instructions acknowledged|job sheet read}, {protective gear on|workplace free}'),
('', 2, '{power off|mains isolated}, {unplugged|lockout applied}'),
('', 3, '{cooling|standby} {300|600|1200} s, tools {ready|staged}'),
('', 31, '{surfaces wiped|dirt removed}, {no leakage|all parts tight}'),
('', 32, '{mains restored|powered up}, trial run {ok|passed}'),
('', 33, '{entry signed|result filed}, workplace {tidy|handed over}'),
('pump', 11, '{feed line|intake} shut, {liquid let out|housing emptied}'),
('pump', 12, '{4|6|8} fasteners of the lid {released|off}'),
('pump', 13, 'lid off, {damaged|worn} {packing|rotor} {out|removed}'),
('pump', 14, 'contact surface {degreased|wiped}'),
('pump', 15, '{spare|fresh} {packing|rotor} in, lubricated'),
('pump', 16, 'lid on, fasteners {torqued|tight}'),
('bicycle wheel', 11, 'brake open, {axle|hub} free'),
('bicycle wheel', 12, 'wheel {out of the frame|taken out}'),
('bicycle wheel', 13, 'tyre lifted off, {inner tube|tube} out'),
('bicycle wheel', 14, 'tyre {inspected|searched} for {splinters|sharp objects}'),
('bicycle wheel', 15, '{spare|fresh} tube in, {slightly|a bit} inflated'),
('bicycle wheel', 16, 'tyre at {4|5|6} bar, wheel {mounted|in place}'),
('coffee machine', 11, '{tray|reservoir} emptied, {waste|old coffee} {disposed|thrown out}'),
('coffee machine', 12, 'door open, brew unit out'),
('coffee machine', 13, 'brew unit {cleaned|rinsed} and dried'),
('coffee machine', 14, '{gaskets|guides} lubricated, brew unit {locked|clicked} in'),
('coffee machine', 15, 'descaler in the reservoir, water {added|full}'),
('coffee machine', 16, 'descaling {finished|done}, {2|3} rinse cycles'),
('air filter', 11, '{cover|box} of the filter {found|located}, {clamps|catches} open'),
('air filter', 12, '{clogged|old} {element|cartridge} out and bagged'),
('air filter', 13, '{box|air channel} {vacuumed|blown clean}'),
('air filter', 14, 'replacement {element|cartridge}: {type|dimensions} checked'),
('air filter', 15, 'replacement {element|cartridge} in, flow direction right'),
('air filter', 16, '{clamps|catches} shut, {warning|hours counter} {cleared|at zero}'),
('drill', 11, 'casing {opened|unscrewed}'),
('drill', 12, 'springs off, {used|short} carbons out'),
('drill', 13, 'rotor {measured|inspected} and polished'),
('drill', 14, 'new carbons in, springs {on|attached}'),
('drill', 15, '{transmission|bearings} lubricated'),
('drill', 16, 'casing {closed|assembled}, screws {in|tight}'),
('battery', 11, '{ground|minus} lead off, {plus|hot} lead off'),
('battery', 12, 'holder loose, {dead|used} battery {out|lifted out}'),
('battery', 13, '{poles|contacts} {brushed|cleaned}'),
('battery', 14, 'replacement battery in, holder {fixed|tight}'),
('battery', 15, '{plus|hot} lead on, {ground|minus} lead on'),
('battery', 16, '{poles|contacts} greased, {12.6|12.8} V');

CREATE TABLE run_step (run_id text, step_no int, step_id int GENERATED ALWAYS AS IDENTITY, instruction text, message text, procedure text);
SELECT setseed(0.17);
INSERT INTO run_step (run_id, step_no, instruction, message, procedure)
SELECT run_id, row_number() OVER (PARTITION BY run_id ORDER BY phase), demo_choose(template), demo_choose(message), name
  FROM (SELECT format('%s run %s', p.name, r) AS run_id, p.name, t.phase, t.template, m.message,
               t.phase > 10 AND t.phase < 30 OR random() < 0.6 AS is_in
          FROM generate_series(1, 100) AS r,
               LATERAL (SELECT CASE WHEN r > 80 THEN 'battery'
                                    ELSE ('{pump,bicycle wheel,coffee machine,air filter,drill}'::text[])[1 + r % 5] END AS name) AS p,
               demo_template AS t JOIN demo_log_template AS m USING (procedure, phase)
         WHERE t.language = 'en' AND t.procedure IN ('', p.name)) AS drawn
 WHERE is_in ORDER BY random();
CREATE VIEW entered_run AS SELECT * FROM run_step WHERE substring(run_id FROM '\d+$')::int <= 60;
SELECT step_no, instruction, message FROM entered_run WHERE run_id = 'pump run 5' ORDER BY 1;

\echo
\echo '   Of 40 later runs there is the manual, and a log from several devices whose clocks differ: lines that nothing links to the steps.'
\echo '   20 of them are of a procedure that no earlier run has: changing a battery.'
\echo

CREATE VIEW manual_of_run AS SELECT run_id, 's' || step_id AS item, instruction, step_no FROM run_step
 WHERE substring(run_id FROM '\d+$')::int > 60;
CREATE VIEW log_of_run AS SELECT run_id, 'l' || md5(step_id::text) AS item, message, step_id FROM run_step
 WHERE substring(run_id FROM '\d+$')::int > 60;

SELECT xmcoh.create_model('runs', encoder => 'minilm', image_encoder => 'minilm');
SELECT xmcoh.attach_source('runs', 'entered_run', document => 'run_id', item => 'step_id', text => 'instruction', image => 'message',
                           "position" => 'step_no', approved => 'all');
SELECT xmcoh.train('runs') AS job \gset
CALL xmcoh.wait_for_job(:job, timeout => '600 s');
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM xmcoh.job WHERE model = 'runs' AND state = 'succeeded') THEN
        RAISE EXCEPTION 'training did not succeed: %', (SELECT message FROM xmcoh.job WHERE model = 'runs');
    END IF;
END $$;
SELECT xmcoh.detach_source('runs', 'entered_run');
SELECT xmcoh.attach_source('runs', 'manual_of_run', document => 'run_id', item => 'item', text => 'instruction', "position" => 'step_no');
SELECT xmcoh.attach_source('runs', 'log_of_run', document => 'run_id', item => 'item', image => 'message', documents_of => 'manual_of_run');

\echo
\echo '   Which line tells of which step? One run of the new procedure, then all 40 runs. A line taken at random is right once in ten times.'
\echo

CREATE TABLE matched AS
    SELECT a.document, s.step_no, s.instruction, l.message, a.probability, s.procedure, l.step_id = s.step_id AS is_right,
           count(*) OVER (PARTITION BY a.document) AS lines
      FROM xmcoh.alignment('runs', documents => ARRAY(SELECT DISTINCT run_id FROM manual_of_run)) AS a
      JOIN run_step AS s ON 's' || s.step_id = a.text_item LEFT JOIN log_of_run AS l ON (l.run_id, l.item) = (a.document, a.image_item);
SELECT step_no, instruction, coalesce(message, '(no line)') AS "likeliest line", round(probability::numeric, 2) AS probability, is_right AS "right"
  FROM matched WHERE document = 'battery run 81' ORDER BY 1;
SELECT procedure = 'battery' AS "new procedure", count(*) AS steps, count(message) AS "with a line", round(avg(coalesce(is_right, false)::int), 3) AS "right",
       round(avg(1.0 / lines), 3) AS "by chance" FROM matched GROUP BY 1 ORDER BY 1;

\echo
\echo '   So the lines come into the order of the manual''s steps. Kendall tau of the lines: alone, by the scores of the steps, by the stored'
\echo '   order of the steps.'
\echo

SELECT o.procedure = 'battery' AS "new procedure", evidence, guidance, count(*) AS runs, round(avg(tau)::numeric, 3) AS tau
  FROM (SELECT e.evidence, e.guidance, s.procedure, o.document,
               xmcoh.kendall_tau(array_agg(o.item ORDER BY o."position"), array_agg(o.item ORDER BY s.step_no)) AS tau
          FROM (VALUES ('image', 'soft'), ('image guided', 'soft'), ('image guided', 'stored')) AS e (evidence, guidance),
               xmcoh.order_documents('runs', 'manual_of_run', e.evidence, e.guidance) AS o
          JOIN log_of_run AS l ON l.item = o.item JOIN run_step AS s USING (step_id) GROUP BY 1, 2, 3, 4) AS o
 GROUP BY 1, 2, 3 ORDER BY 1, tau;

\echo
\echo '   Why is one step before another? The share of the text encoder is told by the words of the two texts, in log-odds: what the share'
\echo '   loses when a word is taken out of its text. No approved run is about a battery.'
\echo

SELECT e.modality, e.kind, e.feature, s.instruction AS "in step", round(e.contribution::numeric, 2) AS contribution
  FROM run_step AS a JOIN run_step AS b USING (run_id),
       xmcoh.explain('runs', run_id, 's' || a.step_id, 's' || b.step_id, top => 6) AS e
  LEFT JOIN (SELECT step_id, instruction FROM run_step) AS s ON 's' || s.step_id = e.item
 WHERE run_id = 'battery run 81' AND a.instruction ~ 'old battery' AND b.instruction ~ 'new battery' AND e.kind = 'encoder'
 ORDER BY abs(e.contribution) DESC;

SELECT xmcoh.drop_model('runs');
SELECT xmcoh.drop_encoder('minilm');
DROP TABLE matched;
DROP VIEW entered_run, manual_of_run, log_of_run;
DROP TABLE run_step, demo_log_template;
