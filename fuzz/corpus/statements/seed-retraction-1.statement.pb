
,agencies/mx-pgr/cases/2006-toluca-laboratory$2b1f6a0e-5d0c-4c56-9a53-0e6f0a2a7c11€âÏª" compiled from public sources’
Reported twice