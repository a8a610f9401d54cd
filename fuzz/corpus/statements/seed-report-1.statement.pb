
,agencies/mx-pgr/cases/2006-toluca-laboratory$2b1f6a0e-5d0c-4c56-9a53-0e6f0a2a7c11Ä‚œ™R˛

˚

,agencies/mx-pgr/cases/2006-toluca-laboratory)Clandestine fentanyl laboratory at Toluca"÷(2
MXMX-MEXToluca 	:‰
§
MX"ùòStated in a published source as where the goods were made, originated or were supplied by a producer; no document or finding is cited for it. The laboratory was believed to be a source of the fentanyl behind deaths in the United States; the sources give no result of a comparison.";
US"51Where the goods were bound, by published sources.B#"clandestine laboratory*
1
B
fentanylr¬Five people arrested; believed to be a source of fentanyl in hundreds of deaths in the US in 2005 and 2006.

The sources say nothing of an analysis by a laboratory.

What it teaches: Long before a "fentanyl" category existed; raid dated 21 May by one source and 28 May by others, and one report places it near Guadalajara.z compiled from public sourcesÇá
$Fentanyl: Situation Report SR-000001!National Drug Intelligence Center÷"3https://www.scribd.com/document/341740/01776-20469pÇ≤
1DEA tests Mexico lab for source of tainted heroin#Chicago Sun-Times, at drugnewsvault÷"Qhttp://drugnewsvault.blogspot.com/2006/06/dea-tests-mexico-lab-for-source-of.htmlÇπ
bAn epidemic of illicit fentanyl deaths in Cook County, Illinois: September 2005 through April 2007Journal of Forensic Sciencesÿ"0https://doi.org/10.1111/j.1556-4029.2008.00669.x