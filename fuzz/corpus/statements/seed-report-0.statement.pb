
,agencies/us-dea/cases/2006-toluca-laboratory$2b1f6a0e-5d0c-4c56-9a53-0e6f0a2a7c11€âÏªRÌ
É
,agencies/us-dea/cases/2006-toluca-laboratory6The Toluca laboratory as reported in the United States"Ö(2
MXMX-MEXToluca 	:¸
ø
MX"ñìStated in a published source as where the goods were made, originated or were supplied by a producer; no document or finding is cited for it. The laboratory stood where it was raided; that it had produced was not confirmed at that time.";
US"51Where the goods were bound, by published sources.B#"clandestine laboratory*
1
r½Samples compared by chemical signature; result not published in these sources; production not confirmed at that time.

The sources say nothing of an analysis by a laboratory.

What it teaches: Same incident, other date and no common number: overlap only a person can see; forensic profiling announced, result unknown.z compiled from public sources‚{
Drug lab shut downChicago TribuneÖ"Khttps://www.chicagotribune.com/news/ct-xpm-2006-06-06-0606060306-story.html